-- Purchases of one day are one purchase day;
-- the gaps between them carry D, A and a customer's rhythm.
with

purchases as (

    select * from {{ ref('int_counted_orders') }}
    where
        is_purchase
        and {{ is_person() }}

),

purchase_days as (

    select
        customer_id,
        order_date,
        min(source) as source,
        count(*) as purchases

    from purchases
    group by customer_id, order_date

),

final as (

    select
        ---------- ids
        customer_id,
        source,

        ---------- dates
        order_date,

        ---------- numerics
        purchases,
        order_date - lag(order_date) over (
            partition by customer_id order by order_date
        ) as gap_days

    from purchase_days

)

select * from final
