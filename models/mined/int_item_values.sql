with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

basket_items as (

    select * from {{ ref('int_rule_basket_items') }}

),

product_items as (

    select * from {{ ref('int_product_items') }}

),

purchases as (

    select order_id
    from {{ ref('int_counted_orders') }}
    where is_purchase

),

order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    where
        line_kind = 'merchandise'
        and {{ is_sold() }}

),

baskets as (

    select
        basket_items.item,
        count(*) as baskets

    from basket_items
    inner join as_of_date
        on basket_items.order_date >= (as_of_date.as_of_date - interval 1 year)::date
    group by basket_items.item

),

money as (

    select
        product_items.item,
        sum(order_lines.net_revenue) as net_revenue,
        {{ sum_margin('order_lines.margin', 'order_lines.margin_basis') }} as margin,
        {{ combined_margin_basis('order_lines.margin_basis') }} as margin_basis

    from order_lines
    inner join as_of_date
        on order_lines.order_date >= (as_of_date.as_of_date - interval 1 year)::date
    inner join product_items on order_lines.product_id = product_items.product_id
    where order_lines.order_id in (select order_id from purchases)
    group by product_items.item

),

final as (

    select
        baskets.item,
        baskets.baskets,
        (money.net_revenue / baskets.baskets)::decimal(18, 4) as revenue_per_basket,
        (money.margin / baskets.baskets)::decimal(18, 4) as margin_per_basket,
        money.margin_basis

    from baskets
    inner join money on baskets.item = money.item

)

select * from final
