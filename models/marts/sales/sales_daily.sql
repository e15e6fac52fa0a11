with

orders as (

    select * from {{ ref('int_counted_orders') }}

),

final as (

    select
        ---------- dates
        order_date,

        ---------- ids
        source,
        store_id,
        channel,

        ---------- counts
        count(*)::integer as orders,
        count(*) filter (where is_purchase)::integer as purchases,
        count(distinct customer_id) filter (
            where is_purchase and {{ is_person() }}
        )::integer
            as customers,
        sum(units)::decimal(18, 4) as units,

        ---------- merchandise: gross - discount + returned = net
        (sum(merchandise_revenue) + sum(discount_amount) - sum(returned_revenue))::decimal(18, 4)
            as gross_revenue,
        sum(discount_amount)::decimal(18, 4) as discount_amount,
        sum(returned_revenue)::decimal(18, 4) as returned_revenue,
        sum(merchandise_revenue)::decimal(18, 4) as net_revenue,

        ---------- other kinds of line
        sum(shipping_revenue)::decimal(18, 4) as shipping_revenue,
        sum(tax_revenue)::decimal(18, 4) as tax_revenue,
        sum(gift_card_revenue)::decimal(18, 4) as gift_card_revenue,
        sum(points_revenue)::decimal(18, 4) as points_revenue,
        sum(other_revenue)::decimal(18, 4) as other_revenue,

        ---------- margin
        {{ sum_margin() }}::decimal(18, 4) as margin,
        {{ combined_margin_basis() }} as margin_basis

    from orders
    group by order_date, source, store_id, channel

)

select * from final
