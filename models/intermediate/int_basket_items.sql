{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('order_id', affected_orders()) if is_affected_build() }}"
) }}
{%- set levels = var('mining_item_levels') -%}
with order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    {%- if is_affected_build() %}
        where order_id in {{ affected_orders() }}
    {%- endif %}

),

orders as (

    select * from {{ ref('int_counted_orders') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

excluded_items as (

    select * from {{ ref('excluded_items') }}

),

excluded_products as (

    select products.product_id
    from products
    inner join excluded_items
        on
            products.source = coalesce(excluded_items.source, products.source)
            and excluded_items.item = case excluded_items.item_level
                when 'product' then products.product_id
                when 'product_type' then products.product_type
                when 'category' then products.category
                when 'department' then products.department
                when 'brand' then products.brand
            end

),

mined_products as (

    select products.*
    from products
    where
        products.product_id <> 'unknown'
        and products.product_id not in (select product_id from excluded_products)

),

-- a product of none of the levels is an item by itself
product_items as (

    {% for level in levels -%}
        select
            product_id,
            {{ item_key(level) }} as item
        from mined_products
        where {{ item_column(level) }} is not null
        {% if not loop.last %}
            union all

        {% endif %}
    {%- endfor %}
    {%- if 'product' not in levels %}
        union all

        select
            product_id,
            {{ item_key('product') }} as item
        from mined_products
        where coalesce({{ levels | map('string') | join(', ') }}) is null
    {%- endif %}

),

final as (

    select distinct
        order_lines.order_id,
        product_items.item
    from order_lines
    inner join product_items
        on order_lines.product_id = product_items.product_id
    where
        order_lines.line_kind = 'merchandise'
        and order_lines.quantity > 0
        and order_lines.order_id in (
            select order_id from orders
            where is_purchase
        )

)

select * from final
