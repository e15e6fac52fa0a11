{{ config(materialized='table' if is_affected_build() else 'view') }}
with order_lines as (

    select * from {{ ref('stg_order_lines') }}

),

final as (

    select * from order_lines
    {%- if is_affected_build() %}
        where order_id in {{ affected_orders() }}
    {%- endif %}

)

select * from final
