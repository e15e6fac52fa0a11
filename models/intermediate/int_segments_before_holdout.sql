-- RFM segments as of the day on which the hold-out begins: rules that are tested there must not
-- know of it. The window of marts.rfm does not matter here.
with

orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

periods as (

    select * from {{ ref('int_basket_periods') }}

),

cut as (

    select min(orders.order_date) filter (where periods.is_holdout) as holdout_from
    from orders
    inner join periods on orders.order_id = periods.order_id

),

orders_to_score as (

    select
        orders.*,
        coalesce(cut.holdout_from, as_of_date.as_of_date) as as_of_date

    from orders
    cross join cut
    cross join as_of_date
    where orders.order_date < coalesce(cut.holdout_from, as_of_date.as_of_date)

),

{{ rfm_ctes('orders_to_score') }},

final as (

    select
        customer_id,
        segment

    from scored

)

select * from final
