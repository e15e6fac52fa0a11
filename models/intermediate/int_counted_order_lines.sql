with order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

-- the orders that returns point at: few, so that the join is cheap. Not over order_lines above: a
-- CTE that is read twice is copied whole, ten million lines of it.
returned_orders as (

    select
        order_id,
        order_date
    from {{ ref('fct_orders') }}
    where
        order_id in (
            select returned_order_id from {{ ref('fct_order_lines') }}
            where returned_order_id is not null
        )

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
    where not (order_lines.is_cancelled or order_lines.is_gone)

)

select * from final
