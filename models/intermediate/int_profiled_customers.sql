with

orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

periods as (

    select * from {{ ref('int_basket_periods') }}

),

purchases as (

    select distinct
        orders.customer_id,
        periods.is_holdout

    from orders
    inner join periods on orders.order_id = periods.order_id

),

customer_attributes as (

    select * from {{ ref('int_customer_attributes') }}

),

segments as (

    select * from {{ ref('int_segments_before_holdout') }}

),

favourite_categories as (

    select * from {{ ref('int_favourite_categories') }}

),

final as (

    select
        ---------- ids
        purchases.customer_id,

        ---------- flags
        purchases.is_holdout,

        ---------- attributes
        customer_attributes.age_band,
        customer_attributes.sex,
        customer_attributes.income_band,
        customer_attributes.household,
        customer_attributes.region,
        segments.segment,
        favourite_categories.favourite_category

    from purchases
    left join customer_attributes on purchases.customer_id = customer_attributes.customer_id
    left join segments on purchases.customer_id = segments.customer_id
    left join favourite_categories
        on purchases.customer_id = favourite_categories.customer_id

)

select * from final
