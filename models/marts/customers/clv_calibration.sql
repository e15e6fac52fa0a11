with

customers as (

    select * from {{ ref('int_judged_customers') }}

),

tenths as (

    select
        *,
        ntile(10) over (order by -expected_purchases, customer_id) as tenth

    from customers

),

final as (

    select
        ---------- ids
        tenth::integer as tenth,

        ---------- numerics
        count(*)::integer as customers,
        avg(expected_purchases) as expected_purchases,
        avg(later_purchase_days)::double as purchases,
        avg((
            later_purchase_days between expected_purchases_low and expected_purchases_high
        )::integer)::double as coverage,
        avg(expected_net_revenue)::decimal(18, 4) as expected_net_revenue,
        avg(later_net_revenue)::decimal(18, 4) as net_revenue

    from tenths
    group by tenth

)

select * from final
