with orders as (

    select * from {{ ref('fct_orders') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

-- written as in int_counted_order_lines
final as (

    select orders.*
    from orders
    cross join as_of
    where
        not orders.is_cancelled
        and not orders.is_gone
        and (orders.order_date < as_of.as_of_date) is true

)

select * from final
