{{ config(severity='warn') }}
-- A cost of serving a customer that has no day, or no rate into the reporting currency, is not
-- counted: the customer's lifetime value looks better than it is.
with

costs_to_serve as (

    select * from {{ ref('int_costs_to_serve') }}

),

final as (

    select
        source,
        kind,
        count(*) as costs,
        sum(stated_amount) as stated_amount,
        count(*) filter (where occurred_date is null) as costs_without_day,
        min(occurred_date) as first_date,
        max(occurred_date) as last_date
    from costs_to_serve
    where
        occurred_date is null
        or amount is null
    group by source, kind

)

select * from final
