with basket_items as (

    select * from {{ ref('int_basket_items') }}

),

orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

final as (

    select
        ---------- ids
        basket_items.order_id,
        basket_items.item,
        orders.customer_id,

        ---------- dates
        orders.order_date

    from basket_items
    inner join orders
        on basket_items.order_id = orders.order_id

)

select * from final
