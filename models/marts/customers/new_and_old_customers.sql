-- A customer is new for the first days of theirs, by the same days in which one counts as active.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

active_days as (

    select active_days::integer as active_days
    from {{ ref('int_active_days') }}

),

customers as (

    select
        totals.customer_id,
        totals.first_purchase_date,
        totals.is_first_purchase_observed,
        (totals.first_purchase_date + active_days.active_days)::date as is_old_on

    from {{ ref('int_customer_totals') }} as totals
    cross join active_days

),

orders as (

    select
        orders.customer_id,
        date_trunc('month', orders.order_date)::date as month,
        {{ customer_kind('orders.order_date') }} as customer_kind,
        orders.is_purchase,
        orders.merchandise_revenue,
        orders.margin,
        orders.margin_basis

    from {{ ref('int_counted_orders') }} as orders
    inner join customers on orders.customer_id = customers.customer_id

),

bought as (

    select
        customer_id,
        month,
        customer_kind,
        count(*) filter (where is_purchase) as purchases,
        sum(merchandise_revenue) as net_revenue,
        {{ sum_margin() }} as margin,
        {{ combined_margin_basis() }} as margin_basis

    from orders
    group by customer_id, month, customer_kind

),

sales as (

    select
        month,
        customer_kind,
        count(*) filter (where purchases > 0) as customers,
        count(*) filter (where purchases > 1) as repeat_customers,
        sum(purchases) as purchases,
        sum(net_revenue) as net_revenue,
        {{ sum_margin() }} as margin,
        {{ combined_margin_basis() }} as margin_basis

    from bought
    group by month, customer_kind

),

-- who has bought nothing yet is to be won, as is who first buys later
costs as (

    select
        date_trunc('month', costs.occurred_date)::date as month,
        case
            when customers.customer_id is null then 'new'
            else {{ customer_kind('costs.occurred_date') }}
        end as customer_kind,
        sum(costs.amount) as cost_to_serve,
        sum(costs.amount) filter (
            where
            customers.customer_id is null
            or costs.occurred_date < customers.first_purchase_date
        ) as cost_of_winning

    from {{ ref('int_customer_costs') }} as costs
    left join customers on costs.customer_id = customers.customer_id
    where {{ is_person('costs.customer_id') }}
    group by month, customer_kind

),

won as (

    select
        date_trunc('month', first_purchase_date)::date as month,
        count(*) as customers_won

    from customers
    where is_first_purchase_observed
    group by month

),

final as (

    select
        ---------- ids
        coalesce(sales.month, costs.month) as month,
        coalesce(sales.customer_kind, costs.customer_kind) as customer_kind,

        ---------- customers
        coalesce(sales.customers, 0)::integer as customers,
        coalesce(sales.repeat_customers, 0)::integer as repeat_customers,
        (sales.repeat_customers / nullif(sales.customers, 0))::double as repeat_rate,

        ---------- what they bring
        coalesce(sales.purchases, 0)::integer as purchases,
        coalesce(sales.net_revenue, 0)::decimal(18, 4) as net_revenue,
        case when sales.month is null then 0 else sales.margin end::decimal(18, 4) as margin,
        sales.margin_basis,

        ---------- what they cost
        coalesce(costs.cost_to_serve, 0)::decimal(18, 4) as cost_to_serve,
        (
            case when sales.month is null then 0 else sales.margin end
            - coalesce(costs.cost_to_serve, 0)
        )::decimal(18, 4) as profit,

        ---------- winning customers
        case
            when coalesce(sales.customer_kind, costs.customer_kind) = 'new'
                then coalesce(won.customers_won, 0)
        end::integer as customers_won,
        case
            when coalesce(sales.customer_kind, costs.customer_kind) = 'new'
                then coalesce(costs.cost_of_winning, 0)
        end::decimal(18, 4) as cost_of_winning,
        case
            when coalesce(sales.customer_kind, costs.customer_kind) = 'new'
                then coalesce(costs.cost_of_winning, 0) / nullif(won.customers_won, 0)
        end::decimal(18, 4) as cost_per_customer_won,

        ---------- flags
        date_add(coalesce(sales.month, costs.month), interval 1 month)
        <= as_of_date.as_of_date as is_month_over

    from sales
    full join costs
        on
            sales.month = costs.month
            and sales.customer_kind = costs.customer_kind
    left join won on coalesce(sales.month, costs.month) = won.month
    cross join as_of_date

)

select * from final
