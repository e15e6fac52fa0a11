-- What one unit of each product brings, by its recent sales: today's offers are worth today's
-- prices. Recent is up to the product's own last sale, so that one out of stock keeps its value.
with last_sales as (

    select
        product_id,
        max(order_date) as last_sold_date
    from {{ ref('int_counted_order_lines') }}
    where
        line_kind = 'merchandise'
        and {{ is_sold() }}
    group by product_id

),

order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    where
        line_kind = 'merchandise'
        and {{ is_sold() }}

),

recent_sales as (

    select
        order_lines.product_id,
        last_sales.last_sold_date,
        coalesce(order_lines.quantity, 1) as quantity,
        order_lines.net_revenue,
        order_lines.margin,
        order_lines.margin_basis
    from order_lines
    inner join last_sales
        on order_lines.product_id = last_sales.product_id
    where order_lines.order_date > last_sales.last_sold_date - 90

),

final as (

    select
        product_id,
        last_sold_date,
        sum(quantity)::decimal(18, 4) as units,
        (sum(net_revenue) / sum(quantity))::decimal(18, 4) as net_revenue_per_unit,
        ({{ sum_margin() }} / sum(quantity))::decimal(18, 4) as margin_per_unit,
        {{ combined_margin_basis() }} as margin_basis
    from recent_sales
    where product_id <> 'unknown'
    group by product_id, last_sold_date

)

select * from final
