{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('order_id', affected_orders()) if is_affected_build() }}"
) }}
with order_lines as (

    select * from {{ ref('int_order_lines') }}

),

final as (

    select
        ---------- ids
        order_id,
        line_number,
        source,
        customer_id,
        product_id,
        store_id,
        channel,
        employee_id,
        campaign_id,
        returned_order_id,

        ---------- texts
        line_kind,

        ---------- dates
        order_date,
        ordered_at,
        ordered_at_local,

        ---------- flags
        is_return,
        is_cancelled,
        is_gone,

        ---------- numerics
        quantity,
        unit_price,
        discount_amount,
        net_revenue,
        cost_amount,
        margin,
        margin_basis,
        currency,
        exchange_rate,

        ---------- delivery
        load_id,
        source_line
    from order_lines
    -- the rest is in int_order_lines_without_rate
    where exchange_rate is not null and net_revenue is not null

)

select * from final
