-- Everything that a customer's own orders say, once, for the marts of customers.
with

orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

observation_starts as (

    select * from {{ ref('int_observation_starts') }}

),

purchase_totals as (

    select
        customer_id,
        min_by(source, { 'order_date': order_date, 'source': source }) as first_source,
        min(order_date) as first_purchase_date,
        max(order_date) as last_purchase_date,
        sum(purchases)::bigint as purchases,
        min_by(purchases, order_date) as first_day_purchases,
        count(*) as purchase_days,
        quantile_disc(gap_days, 0.5) as median_gap_days

    from purchase_days
    group by customer_id

),

-- credit notes are orders of their own: money comes from all orders, not from purchases alone
money_totals as (

    select
        customer_id,
        sum(units) as units,
        sum(discount_amount) as discount_amount,
        sum(merchandise_revenue) as net_revenue,
        sum(returned_revenue) as returned_revenue,
        {{ sum_margin() }} as margin,
        {{ combined_margin_basis() }} as margin_basis

    from orders
    group by customer_id

),

final as (

    select
        ---------- ids
        purchase_totals.customer_id,

        ---------- dates
        purchase_totals.first_purchase_date,
        purchase_totals.last_purchase_date,
        date_trunc('month', purchase_totals.first_purchase_date)::date as first_purchase_month,

        ---------- flags
        observation_starts.has_complete_history
        or purchase_totals.first_purchase_date
        - observation_starts.first_purchase_date
        >= observation_starts.observed_after_days as is_first_purchase_observed,

        ---------- numerics
        purchase_totals.purchases,
        purchase_totals.first_day_purchases,
        purchase_totals.purchase_days,
        purchase_totals.median_gap_days,
        money_totals.units::decimal(18, 4) as units,
        money_totals.discount_amount::decimal(18, 4) as discount_amount,
        money_totals.net_revenue::decimal(18, 4) as net_revenue,
        money_totals.returned_revenue::decimal(18, 4) as returned_revenue,
        money_totals.margin::decimal(18, 4) as margin,
        money_totals.margin_basis

    from purchase_totals
    left join observation_starts
        on purchase_totals.first_source = observation_starts.source
    left join money_totals
        on purchase_totals.customer_id = money_totals.customer_id

)

select * from final
