-- What was forecast of each customer from the first part of the history, beside what came.
with

histories as (

    select * from {{ ref('int_purchase_histories') }}
    where period = 'judgement'

),

judged_forecasts as (

    select * from {{ source('mining', 'clv_judged_forecasts') }}

),

spending as (

    {{ gamma_gamma_parameters('judgement') }}

),

final as (

    select
        ---------- ids
        histories.customer_id,

        ---------- purchases
        histories.later_purchase_days,
        judged_forecasts.purchases as expected_purchases,
        judged_forecasts.purchases_low as expected_purchases_low,
        judged_forecasts.purchases_high as expected_purchases_high,
        histories.last_period_purchase_days,

        ---------- money
        histories.later_net_revenue::double as later_net_revenue,
        judged_forecasts.purchases * {{ expected_spending() }} as expected_net_revenue,
        judged_forecasts.purchases_low * {{ expected_spending() }} as expected_net_revenue_low,
        judged_forecasts.purchases_high * {{ expected_spending() }} as expected_net_revenue_high

    from histories
    inner join judged_forecasts
        on
            histories.repeats = judged_forecasts.repeats
            and histories.recency_days = judged_forecasts.recency_days
            and histories.age_days = judged_forecasts.age_days
    cross join spending

)

select * from final
