with orders as (

    select * from {{ ref('fct_orders') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

final as (

    select orders.*
    from orders
    inner join as_of
        on orders.order_date < as_of.as_of_date
    where not (orders.is_cancelled or orders.is_gone)

)

select * from final
