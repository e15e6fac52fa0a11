with order_lines as (

    select * from {{ ref('int_counted_order_lines') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

final as (

    select
        ---------- ids
        order_lines.order_id,
        order_lines.line_number,
        order_lines.customer_id,

        ---------- texts
        order_lines.line_kind,

        ---------- dates
        coalesce(orders.order_date, order_lines.order_date) as attributed_order_date,

        ---------- numerics
        order_lines.net_revenue,
        order_lines.margin,
        order_lines.margin_basis

    from order_lines
    left join orders on order_lines.returned_order_id = orders.order_id

)

select * from final
