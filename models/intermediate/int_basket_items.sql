{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('order_id', affected_orders()) if is_affected_build() }}"
) }}
with order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    {%- if is_affected_build() %}
        where order_id in {{ affected_orders() }}
    {%- endif %}

),

sold_lines as (

    select * from order_lines
    where
        line_kind = 'merchandise'
        and {{ is_sold() }}

),

orders as (

    select * from {{ ref('int_counted_orders') }}
    where is_purchase

),

product_items as (

    select * from {{ ref('int_product_items') }}

),

final as (

    select distinct
        sold_lines.order_id,
        product_items.item
    from sold_lines
    inner join product_items
        on sold_lines.product_id = product_items.product_id
    where sold_lines.order_id in (select order_id from orders)

)

select * from final
