with

rfm_monthly as (

    select * from {{ ref('rfm_monthly') }}

),

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

-- of those whose next month is over
scored as (

    select
        rfm_monthly.month_end,
        last_day(rfm_monthly.month_end + 1) as next_month_end,
        rfm_monthly.customer_id,
        rfm_monthly.segment

    from rfm_monthly
    cross join as_of_date
    where last_day(rfm_monthly.month_end + 1) < as_of_date.as_of_date

),

orders as (

    select
        customer_id,
        last_day(order_date) as month_end,
        count(*) filter (where is_purchase) as purchases,
        sum(merchandise_revenue) as net_revenue

    from {{ ref('int_counted_orders') }}
    where {{ is_person() }}
    group by customer_id, last_day(order_date)

),

final as (

    select
        ---------- ids
        scored.month_end::date as month_end,
        scored.segment,

        ---------- numerics
        count(*)::integer as customers,
        (count(*) filter (where orders.purchases > 0))::integer as next_month_buyers,
        coalesce(sum(orders.purchases), 0)::integer as next_month_purchases,
        coalesce(sum(orders.net_revenue), 0)::decimal(18, 4) as next_month_net_revenue

    from scored
    left join orders
        on
            scored.customer_id = orders.customer_id
            and scored.next_month_end = orders.month_end
    group by scored.month_end, scored.segment

)

select * from final
