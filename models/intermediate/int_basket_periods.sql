with purchases as (

    select
        order_id,
        customer_id,
        order_date

    from {{ ref('int_counted_orders') }}
    where is_purchase

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

first_day as (

    select min(order_date) as first_date
    from purchases

),

-- whole days, the last ones up to the as-of date; a short history has none
cut as (

    select
        as_of.as_of_date - floor(
            (as_of.as_of_date - first_day.first_date)
            * {{ var('mining_holdout_share') }}::decimal(9, 8)
        )::integer as holdout_from

    from first_day
    cross join as_of

),

mining_period as (

    select
        purchases.order_id,
        false as is_holdout,
        true as has_vote

    from purchases
    inner join cut on purchases.order_date < cut.holdout_from

),

-- what one customer buys again and again is one piece of evidence
holdout_period as (

    select
        purchases.order_id,
        true as is_holdout,
        not {{ is_person('purchases.customer_id') }} or row_number() over (
            partition by purchases.customer_id
            order by md5(purchases.order_id), purchases.order_id
        ) = 1 as has_vote

    from purchases
    inner join cut on purchases.order_date >= cut.holdout_from

),

final as (

    select * from mining_period
    union all
    select * from holdout_period

)

select * from final
