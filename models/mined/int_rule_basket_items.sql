with

rules as (

    select * from {{ source('mining', 'rules') }}
    where is_published

),

rule_items as (

    select distinct unnest(antecedents || consequents) as item
    from rules

),

product_items as (

    select * from {{ ref('int_product_items') }}
    where item in (select item from rule_items)

),

order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    where
        line_kind = 'merchandise'
        and {{ is_sold() }}

),

-- numbers are grouped in half the time that order ids take
purchases as (

    select
        order_id,
        customer_id,
        order_date,
        (row_number() over (order by order_id))::integer as basket

    from {{ ref('int_counted_orders') }}
    where is_purchase

),

final as (

    select
        purchases.basket,
        product_items.item,
        purchases.customer_id,
        purchases.order_date,
        sum(order_lines.net_revenue)::decimal(18, 4) as net_revenue,
        ({{ sum_margin('order_lines.margin', 'order_lines.margin_basis') }})::decimal(18, 4)
            as margin,
        {{ combined_margin_basis('order_lines.margin_basis') }} as margin_basis

    from order_lines
    inner join product_items on order_lines.product_id = product_items.product_id
    inner join purchases on order_lines.order_id = purchases.order_id
    group by
        purchases.basket,
        product_items.item,
        purchases.customer_id,
        purchases.order_date

)

select * from final
