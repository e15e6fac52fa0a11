-- What the models of customer lifetime value know of each customer at each cut, and what came then.
with

periods as (

    select * from {{ ref('int_forecast_periods') }}

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

counted_orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

-- few: only these need the order that they are booked on
returned_lines as (

    select
        order_lines.order_id,
        order_lines.returned_order_id,
        order_lines.order_date as returned_date,
        order_lines.net_revenue

    from {{ ref('int_counted_order_lines') }} as order_lines
    inner join orders on order_lines.returned_order_id = orders.order_id
    where order_lines.line_kind = 'merchandise'

),

-- what is no purchase, as a credit note that names no order, is money of the purchase before it
notes as (

    select
        counted_orders.order_id,
        counted_orders.customer_id,
        counted_orders.order_date as known_from,
        counted_orders.merchandise_revenue,
        max(purchase_days.order_date) as purchase_date

    from counted_orders
    inner join purchase_days
        on
            counted_orders.customer_id = purchase_days.customer_id
            and counted_orders.order_date >= purchase_days.order_date
    where not counted_orders.is_purchase
    group by
        counted_orders.order_id,
        counted_orders.customer_id,
        counted_orders.order_date,
        counted_orders.merchandise_revenue

),

booked as (

    select
        order_id,
        customer_id,
        order_date as purchase_date,
        order_date as known_from,
        merchandise_revenue

    from counted_orders
    where is_purchase

    union all

    select
        order_id,
        customer_id,
        purchase_date,
        known_from,
        merchandise_revenue

    from notes

),

-- a return is money of the day that its order was bought on, from the day on that it came back
money as (

    select
        customer_id,
        purchase_date,
        known_from,
        merchandise_revenue as net_revenue

    from booked

    union all

    select
        booked.customer_id,
        booked.purchase_date,
        booked.known_from,
        -returned_lines.net_revenue as net_revenue

    from booked
    inner join returned_lines on booked.order_id = returned_lines.order_id

    union all

    select
        booked.customer_id,
        booked.purchase_date,
        returned_lines.returned_date as known_from,
        returned_lines.net_revenue

    from booked
    inner join returned_lines on booked.order_id = returned_lines.returned_order_id

),

histories as (

    select
        periods.period,
        periods.cut_date,
        periods.until_date,
        purchase_days.customer_id,
        min(purchase_days.order_date) as first_purchase_date,
        max(purchase_days.order_date) filter (where purchase_days.order_date < periods.cut_date)
            as last_purchase_date,
        count(*) filter (where purchase_days.order_date < periods.cut_date) as purchase_days,
        count(*) filter (
            where
            purchase_days.order_date < periods.cut_date
            and purchase_days.order_date >= periods.cut_date - periods.later_days
        ) as last_period_purchase_days,
        count(*) filter (
            where
            purchase_days.order_date >= periods.cut_date
            and purchase_days.order_date < periods.until_date
        ) as later_purchase_days

    from purchase_days
    cross join periods
    group by periods.period, periods.cut_date, periods.until_date, purchase_days.customer_id
    having min(purchase_days.order_date) < periods.cut_date

),

day_values as (

    select
        histories.period,
        money.customer_id,
        money.purchase_date,
        sum(money.net_revenue) as net_revenue

    from histories
    inner join money
        on
            histories.customer_id = money.customer_id
            and histories.cut_date > money.known_from
            and histories.first_purchase_date < money.purchase_date
            and histories.cut_date > money.purchase_date
    group by histories.period, money.customer_id, money.purchase_date
    having sum(money.net_revenue) > 0

),

spending as (

    select
        period,
        customer_id,
        count(*) as spending_days,
        (sum(net_revenue) / count(*))::double as mean_spending

    from day_values
    group by period, customer_id

),

later_spending as (

    select
        histories.period,
        money.customer_id,
        sum(money.net_revenue) as net_revenue

    from histories
    inner join money
        on
            histories.customer_id = money.customer_id
            and histories.cut_date <= money.purchase_date
            and histories.until_date > money.purchase_date
            and histories.until_date > money.known_from
    group by histories.period, money.customer_id

),

final as (

    select
        ---------- ids
        histories.period,
        histories.customer_id,

        ---------- purchase days
        (histories.purchase_days - 1)::integer as repeats,
        (histories.last_purchase_date - histories.first_purchase_date)::integer as recency_days,
        (histories.cut_date - 1 - histories.first_purchase_date)::integer as age_days,

        ---------- money
        coalesce(spending.spending_days, 0)::integer as spending_days,
        spending.mean_spending,

        ---------- before and after
        case
            when histories.until_date is not null
                then histories.last_period_purchase_days
        end::integer as last_period_purchase_days,
        case when histories.until_date is not null then histories.later_purchase_days end::integer
            as later_purchase_days,
        case
            when histories.until_date is not null then coalesce(later_spending.net_revenue, 0)
        end::decimal(18, 4) as later_net_revenue

    from histories
    left join spending
        on
            histories.period = spending.period
            and histories.customer_id = spending.customer_id
    left join later_spending
        on
            histories.period = later_spending.period
            and histories.customer_id = later_spending.customer_id

)

select * from final
