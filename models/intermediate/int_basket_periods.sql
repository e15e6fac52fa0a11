with purchases as (

    select
        order_id,
        customer_id,
        order_date

    from {{ ref('int_counted_orders') }}
    where is_purchase

),

-- days with a purchase, not of the calendar: neither one order of long ago nor a late as-of date
-- moves the cut
purchase_days as (

    select
        order_date,
        row_number() over (order by order_date desc) as days_back,
        count(*) over () as days

    from purchases
    group by order_date

),

cut as (

    select
        min(order_date) filter (
            where days_back <= floor(days * {{ var('mining_holdout_share') }}::decimal(9, 8))
        ) as holdout_from
    from purchase_days

),

mining_period as (

    select
        purchases.order_id,
        purchases.order_date,
        false as is_holdout,
        true as has_vote

    from purchases
    cross join cut
    where purchases.order_date < cut.holdout_from or cut.holdout_from is null

),

-- what one customer buys again and again is one piece of evidence
holdout_period as (

    select
        purchases.order_id,
        purchases.order_date,
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
