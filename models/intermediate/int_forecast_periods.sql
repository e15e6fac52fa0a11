-- What is forecast, and what forecasts are proven on: the last part of the history judges the model
-- that the part before it has chosen.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

spans as (

    select
        as_of_date.as_of_date,
        as_of_date.as_of_date - min(purchase_days.order_date) as days

    from purchase_days
    cross join as_of_date
    group by as_of_date.as_of_date

),

judged as (

    select
        *,
        least({{ var('clv_judged_days') }}, floor(days * {{ var('clv_judged_share') }}))::integer
            as judged_days

    from spans

),

chosen as (

    select
        *,
        least(
            {{ var('clv_judged_days') }},
            floor((days - judged_days) * {{ var('clv_judged_share') }})
        )::integer as chosen_days

    from judged

),

periods as (

    select
        'choice' as period,
        as_of_date - judged_days - chosen_days as cut_date,
        chosen_days as later_days

    from chosen
    where chosen_days > 0

    union all

    select
        'judgement' as period,
        as_of_date - judged_days as cut_date,
        judged_days as later_days

    from chosen
    where judged_days > 0

    union all

    select
        'now' as period,
        as_of_date as cut_date,
        null as later_days

    from chosen

),

final as (

    select
        period,
        cut_date,
        later_days,
        cut_date + later_days as until_date

    from periods

)

select * from final
