{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('order_id', affected_orders()) if is_affected_build() }}"
) }}
-- Lines that cannot be valued. They stay out of the facts and are listed here.
with order_lines as (

    select * from {{ ref('int_order_lines') }}

),

final as (

    select
        order_id,
        line_number,
        source,
        currency,
        order_date,
        case
            when exchange_rate is null then 'no exchange rate'
            else 'no net revenue'
        end as reason,
        load_id,
        source_line
    from order_lines
    where exchange_rate is null or net_revenue is null

)

select * from final
