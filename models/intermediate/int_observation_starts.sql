-- From which day on a first purchase is known to be the first (D of definitions.md), by source.
with

orders as (

    select * from {{ ref('int_counted_orders') }}

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

first_purchases as (

    select
        source,
        min(order_date) as first_purchase_date

    from orders
    where is_purchase
    group by source

),

median_gaps as (

    select
        source,
        quantile_disc(gap_days, 0.5) as median_gap_days

    from purchase_days
    group by source

),

final as (

    select
        first_purchases.source,
        first_purchases.first_purchase_date,
        sources.has_complete_history,
        median_gaps.median_gap_days,
        greatest(
            {{ var('observed_after_days') }},
            coalesce(median_gaps.median_gap_days, 0)
        ) as observed_after_days

    from first_purchases
    left join sources on first_purchases.source = sources.source
    left join median_gaps on first_purchases.source = median_gaps.source

)

select * from final
