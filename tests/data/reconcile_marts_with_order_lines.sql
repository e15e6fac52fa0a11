-- Merchandise comes to the same money from every side: lines, products, days, customers, CLV;
-- and to the same pieces, of products and of days.
with

order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    where line_kind = 'merchandise'

),

buyers as (

    select customer_id
    from {{ ref('customers') }}
    where not is_prospect

),

line_totals as (

    select
        coalesce(sum(order_lines.net_revenue), 0) as net_revenue,
        coalesce(sum(order_lines.net_revenue) filter (where buyers.customer_id is not null), 0)
            as customer_revenue

    from order_lines
    left join buyers on order_lines.customer_id = buyers.customer_id

),

products as (

    select
        coalesce(sum(net_revenue), 0) as net_revenue,
        coalesce(sum(units_sold) - sum(units_returned), 0) as units
    from {{ ref('products') }}

),

sales as (

    select
        coalesce(sum(net_revenue), 0) as net_revenue,
        coalesce(sum(units), 0) as units
    from {{ ref('sales_daily') }}

),

customers as (

    select coalesce(sum(net_revenue), 0) as net_revenue
    from {{ ref('customers') }}

),

clv as (

    select coalesce(sum(net_revenue), 0) as net_revenue
    from {{ ref('clv') }}

),

final as (

    select
        line_totals.net_revenue,
        line_totals.customer_revenue,
        products.net_revenue as of_products,
        products.units as units_of_products,
        sales.net_revenue as of_sales,
        sales.units as units_of_sales,
        customers.net_revenue as of_customers,
        clv.net_revenue as of_clv

    from line_totals
    cross join products
    cross join sales
    cross join customers
    cross join clv
    where
        line_totals.net_revenue <> products.net_revenue
        or line_totals.net_revenue <> sales.net_revenue
        or line_totals.customer_revenue <> customers.net_revenue
        or line_totals.customer_revenue <> clv.net_revenue
        or products.units <> sales.units

)

select * from final
