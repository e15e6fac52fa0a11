with order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

returned_orders as (

    select * from {{ ref('int_returned_orders') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

final as (

    select
        order_lines.*,
        coalesce(returned_orders.order_date, order_lines.order_date)
            as attributed_order_date
    from order_lines
    inner join as_of
        on order_lines.order_date < as_of.as_of_date
    left join returned_orders
        on order_lines.returned_order_id = returned_orders.order_id
    where not order_lines.is_cancelled

)

select * from final
