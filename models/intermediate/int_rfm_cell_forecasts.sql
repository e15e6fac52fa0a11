-- The naive forecast that a marketing department makes: whoever is in a cell of RFM buys as those
-- did who were in that cell a period ago.
with

periods as (

    select * from {{ ref('int_forecast_periods') }}
    where period = 'judgement'

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

days as (

    select
        cut_date as as_of_date,
        later_days

    from periods

    union all

    select
        cut_date - later_days as as_of_date,
        later_days

    from periods

),

orders_to_score as (

    select
        orders.*,
        days.as_of_date

    from {{ ref('int_counted_orders') }} as orders
    cross join days
    where
        {{ is_person('orders.customer_id') }}
        and orders.order_date < days.as_of_date

),

{{ rfm_ctes('orders_to_score') }},

learned as (

    select
        scored.customer_id,
        scored.r_score,
        scored.f_score,
        scored.m_score,
        count(purchase_days.order_date) as purchase_days

    from scored
    inner join periods on scored.as_of_date = periods.cut_date - periods.later_days
    left join purchase_days
        on
            scored.customer_id = purchase_days.customer_id
            and scored.as_of_date <= purchase_days.order_date
            and periods.cut_date > purchase_days.order_date
    group by scored.customer_id, scored.r_score, scored.f_score, scored.m_score

),

cells as (

    select
        r_score,
        f_score,
        m_score,
        sum(purchase_days) / count(*) as mean_purchase_days

    from learned
    group by r_score, f_score, m_score

),

the_whole as (

    select sum(purchase_days) / count(*) as mean_purchase_days
    from learned

),

-- nobody was in some cells
final as (

    select
        scored.customer_id,
        coalesce(cells.mean_purchase_days, the_whole.mean_purchase_days)::double
            as mean_purchase_days

    from scored
    inner join periods on scored.as_of_date = periods.cut_date
    left join cells
        on
            scored.r_score = cells.r_score
            and scored.f_score = cells.f_score
            and scored.m_score = cells.m_score
    cross join the_whole

)

select * from final
