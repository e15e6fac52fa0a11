-- What serving a customer has cost by day and kind.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

costs_to_serve as (

    select * from {{ ref('int_costs_to_serve') }}

),

final as (

    select
        ---------- ids
        costs_to_serve.customer_id,

        ---------- dates
        costs_to_serve.occurred_date,

        ---------- texts
        costs_to_serve.kind,

        ---------- numerics
        sum(costs_to_serve.amount)::decimal(18, 4) as amount

    from costs_to_serve
    inner join as_of_date on costs_to_serve.occurred_date < as_of_date.as_of_date
    where costs_to_serve.amount is not null
    group by costs_to_serve.customer_id, costs_to_serve.occurred_date, costs_to_serve.kind

)

select * from final
