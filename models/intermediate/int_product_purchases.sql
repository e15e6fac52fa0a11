-- Lines, not pairs of customer and product: to make ten million distinct here takes longer than all
-- that is mined of them.
with order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    where
        line_kind = 'merchandise'
        and {{ is_sold() }}
        and {{ is_person() }}

),

orders as (

    select * from {{ ref('int_counted_orders') }}
    where is_purchase

),

products as (

    select * from {{ ref('int_recommendable_products') }}

),

final as (

    select
        ---------- ids
        order_lines.order_id,
        order_lines.line_number,
        order_lines.customer_id,
        order_lines.product_id,

        ---------- dates
        order_lines.order_date

    from order_lines
    inner join products
        on order_lines.product_id = products.product_id
    where order_lines.order_id in (select order_id from orders)

)

select * from final
