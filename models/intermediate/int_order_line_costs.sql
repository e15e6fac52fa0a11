-- What a product cost on the day of the order; of a return, on the day of the order returned, so
-- that a sale and its return cancel. Only lines of products whose cost has changed, so mostly few
-- or none: others take the only cost that there is.
with order_lines as (

    select * from {{ ref('int_current_order_lines') }}

),

orders_with_differing_lines as (

    select * from {{ ref('int_orders_with_differing_lines') }}

),

returned_orders as (

    select * from {{ ref('int_returned_orders') }}

),

product_costs as (

    select * from {{ ref('int_product_costs') }}
    where not is_only_cost

),

lines_of_changing_cost as (

    select
        order_lines.order_id,
        order_lines.line_number,
        order_lines.product_id,
        coalesce(returned_orders.order_date, {{ order_date() }}) as cost_date
    from order_lines
    left join returned_orders
        on order_lines.returned_order_id = returned_orders.order_id
    left join orders_with_differing_lines
        on order_lines.order_id = orders_with_differing_lines.order_id
    where
        order_lines.unit_cost is null
        and order_lines.product_id in (select product_id from product_costs)

),

final as (

    select
        lines_of_changing_cost.order_id,
        lines_of_changing_cost.line_number,
        product_costs.unit_cost
    from lines_of_changing_cost
    asof inner join product_costs
        on
            lines_of_changing_cost.product_id = product_costs.product_id
            and lines_of_changing_cost.cost_date >= product_costs.valid_from

)

select * from final
