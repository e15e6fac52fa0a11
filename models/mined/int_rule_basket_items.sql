with

rule_items as (

    select * from {{ ref('int_rule_items') }}

),

basket_items as (

    select * from {{ ref('int_basket_items') }}
    where item in (select item from rule_items)

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
        basket_items.item,
        purchases.customer_id,
        purchases.order_date

    from basket_items
    inner join purchases on basket_items.order_id = purchases.order_id

)

select * from final
