-- What customers like, as their purchases before the hold-out tell.
with

orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

periods as (

    select * from {{ ref('int_basket_periods') }}
    where not is_holdout

),

purchases as (

    select
        orders.order_id,
        orders.customer_id

    from orders
    inner join periods on orders.order_id = periods.order_id

),

order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    where
        line_kind = 'merchandise'
        and {{ is_sold() }}

),

mined_products as (

    select * from {{ ref('int_mined_products') }}
    where category is not null

),

categories_of_purchases as (

    select distinct
        purchases.customer_id,
        purchases.order_id,
        mined_products.category

    from purchases
    inner join order_lines on purchases.order_id = order_lines.order_id
    inner join mined_products on order_lines.product_id = mined_products.product_id

),

by_customer as (

    select
        customer_id,
        count(*) as purchases,
        sum(count(*)) over () as all_purchases

    from purchases
    group by customer_id

),

by_category as (

    select
        category,
        count(*) as purchases

    from categories_of_purchases
    group by category

),

by_customer_and_category as (

    select
        customer_id,
        category,
        count(*) as purchases

    from categories_of_purchases
    group by customer_id, category

),

-- purchases beyond what the category's share of all purchases would give, times all purchases:
-- whole numbers
compared as (

    select
        by_customer_and_category.customer_id,
        by_customer_and_category.category,
        by_customer_and_category.purchases * by_customer.all_purchases
        - by_customer.purchases * by_category.purchases as beyond_average

    from by_customer_and_category
    inner join by_customer
        on by_customer_and_category.customer_id = by_customer.customer_id
    inner join by_category
        on by_customer_and_category.category = by_category.category
    where by_customer_and_category.purchases > 1

),

final as (

    select
        customer_id,
        category as favourite_category

    from compared
    where beyond_average > 0
    qualify row_number() over (
        partition by customer_id
        order by beyond_average desc, category asc
    ) = 1

)

select * from final
