with

products as (

    select * from {{ ref('dim_products') }}

),

buyers as (

    select * from {{ ref('int_product_buyers') }}

),

-- Pieces leave the shelf sold, or without a sale: written off.
order_lines as (

    select
        *,
        {{ is_sold() }} as is_sold,
        not is_return and quantity < 0 as is_written_off
    from {{ ref('int_counted_order_lines') }}
    where line_kind = 'merchandise'

),

product_totals as (

    select
        product_id,
        count(distinct order_id) filter (where is_sold) as orders,
        min(order_date) filter (where is_sold) as first_sold_date,
        max(order_date) filter (where is_sold) as last_sold_date,
        coalesce(sum(quantity) filter (where is_sold), 0) as units_sold,
        coalesce(sum(-quantity) filter (where is_return), 0) as units_returned,
        coalesce(sum(-quantity) filter (where is_written_off), 0) as units_written_off,
        sum(net_revenue) as net_revenue,
        coalesce(sum(net_revenue) filter (where is_return), 0) as returned_revenue,
        {{ sum_margin() }} as margin,
        {{ combined_margin_basis() }} as margin_basis

    from order_lines
    group by product_id

),

ranked as (

    select
        *,
        rank() over (order by net_revenue desc) as revenue_rank,
        sum(net_revenue) over () as total_revenue

    from product_totals

),

final as (

    select
        ---------- ids
        products.product_id,
        products.source,

        ---------- attributes
        products.name,
        products.brand,
        products.department,
        products.category,
        products.product_type,
        products.package_size,
        products.supplier_id,
        products.supplier_name,
        products.line_kind,

        ---------- dates
        ranked.first_sold_date,
        ranked.last_sold_date,

        ---------- counts
        coalesce(ranked.orders, 0)::integer as orders,
        coalesce(buyers.buyers, 0)::integer as buyers,
        coalesce(buyers.repeat_buyers, 0)::integer as repeat_buyers,
        (buyers.repeat_buyers / buyers.buyers)::double as repeat_buyer_share,
        coalesce(ranked.units_sold, 0)::decimal(18, 4) as units_sold,
        coalesce(ranked.units_returned, 0)::decimal(18, 4) as units_returned,
        coalesce(ranked.units_written_off, 0)::decimal(18, 4) as units_written_off,

        ---------- money
        coalesce(ranked.net_revenue, 0)::decimal(18, 4) as net_revenue,
        coalesce(ranked.returned_revenue, 0)::decimal(18, 4) as returned_revenue,
        (
            (ranked.net_revenue - ranked.returned_revenue) / nullif(ranked.units_sold, 0)
        )::decimal(18, 4) as average_price,
        (ranked.net_revenue / nullif(ranked.total_revenue, 0))::double as revenue_share,
        ranked.revenue_rank::integer as revenue_rank,
        ranked.margin::decimal(18, 4) as margin,
        ranked.margin_basis

    from products
    left join ranked on products.product_id = ranked.product_id
    left join buyers on products.product_id = buyers.product_id

)

select * from final
