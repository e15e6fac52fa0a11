-- What the models of customer lifetime value know of each customer at each cut, and what came then.
with

periods as (

    select * from {{ ref('int_forecast_periods') }}

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

purchases as (

    select * from {{ ref('int_counted_orders') }}
    where
        is_purchase
        and {{ is_person() }}

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

-- a return is money of the day that its order was bought on, from the day on that it came back
money as (

    select
        customer_id,
        order_date,
        order_date as known_from,
        merchandise_revenue as net_revenue

    from purchases

    union all

    select
        purchases.customer_id,
        purchases.order_date,
        purchases.order_date as known_from,
        -returned_lines.net_revenue as net_revenue

    from purchases
    inner join returned_lines on purchases.order_id = returned_lines.order_id

    union all

    select
        purchases.customer_id,
        purchases.order_date,
        returned_lines.returned_date as known_from,
        returned_lines.net_revenue

    from purchases
    inner join returned_lines on purchases.order_id = returned_lines.returned_order_id

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
        money.order_date,
        sum(money.net_revenue) as net_revenue

    from histories
    inner join money
        on
            histories.customer_id = money.customer_id
            and histories.cut_date > money.known_from
            and histories.first_purchase_date < money.order_date
            and histories.cut_date > money.order_date
    group by histories.period, money.customer_id, money.order_date
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
            and histories.cut_date <= money.order_date
            and histories.until_date > money.order_date
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
