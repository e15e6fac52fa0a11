with

periods as (

    select * from {{ ref('int_forecast_periods') }}
    where period = 'judgement'

),

judged_weeks as (

    select * from {{ source('mining', 'clv_judged_weeks') }}

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

-- of whoever had bought before the cut: nobody else is forecast
known_customers as (

    select distinct purchase_days.customer_id
    from purchase_days
    inner join periods on purchase_days.order_date < periods.cut_date

),

weeks as (

    select
        (purchase_days.order_date - periods.cut_date) // 7 + 1 as week,
        count(*) as purchases

    from purchase_days
    inner join periods on purchase_days.order_date >= periods.cut_date
    where
        purchase_days.customer_id in (select customer_id from known_customers)
        and purchase_days.order_date < periods.until_date
    group by week

),

final as (

    select
        ---------- dates
        judged_weeks.week,
        (periods.cut_date + 7 * (judged_weeks.week - 1))::date as week_begins,

        ---------- numerics
        coalesce(weeks.purchases, 0)::integer as purchases,
        judged_weeks.purchases as expected_purchases

    from judged_weeks
    cross join periods
    left join weeks on judged_weeks.week = weeks.week

)

select * from final
