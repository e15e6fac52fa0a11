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

-- ordered, but bought nothing that was kept: nobody to be won
other_buyers as (

    select distinct customer_id
    from {{ ref('fct_orders') }}
    where customer_id not in (select customer_id from customers)

),

events as (

    select
        customer_id,
        order_date as on_date,
        true as is_order,
        is_purchase,
        merchandise_revenue as net_revenue,
        margin,
        margin_basis,
        null as cost_kind,
        null as cost
    from {{ ref('int_counted_orders') }}
    where customer_id in (select customer_id from customers)

    union all

    select
        customer_id,
        occurred_date as on_date,
        false as is_order,
        false as is_purchase,
        null as net_revenue,
        null as margin,
        null as margin_basis,
        kind as cost_kind,
        amount as cost
    from {{ ref('int_customer_costs') }}
    where {{ is_person() }}

),

-- an order before the first purchase (a credit note) shows that there was one before the data begin
told_apart as (

    select
        events.*,
        date_trunc('month', events.on_date)::date as month,
        case
            when events.on_date >= customers.is_old_on then 'old'
            when customers.is_first_purchase_observed is false then 'unknown'
            when events.is_order and events.on_date < customers.first_purchase_date then 'unknown'
            when customers.customer_id is not null then 'new'
            when other_buyers.customer_id is not null then 'unknown'
            else 'new'
        end as customer_kind,
        not events.is_order
        and other_buyers.customer_id is null
        and coalesce(events.on_date < customers.first_purchase_date, true)
        and events.cost_kind not in ('service', 'compensation') as is_to_win

    from events
    left join customers on events.customer_id = customers.customer_id
    left join other_buyers on events.customer_id = other_buyers.customer_id

),

by_customer as (

    select
        customer_id,
        month,
        customer_kind,
        count(*) filter (where is_purchase) as purchases,
        sum(count(*) filter (where is_purchase)) over (partition by customer_id, month)
            as purchases_of_month,
        sum(net_revenue) as net_revenue,
        {{ sum_margin() }} as margin,
        {{ combined_margin_basis() }} as margin_basis,
        sum(cost) as cost_to_serve,
        sum(cost) filter (where is_to_win) as cost_of_winning

    from told_apart
    group by customer_id, month, customer_kind

),

by_month as (

    select
        month,
        customer_kind,
        count(*) filter (where purchases > 0) as customers,
        count(*) filter (where purchases > 0 and purchases_of_month > 1) as repeat_customers,
        sum(purchases) as purchases,
        coalesce(sum(net_revenue), 0) as net_revenue,
        {{ sum_margin() }} as known_margin,
        {{ combined_margin_basis() }} as margin_basis,
        coalesce(sum(cost_to_serve), 0) as cost_to_serve,
        coalesce(sum(cost_of_winning), 0) as cost_of_winning

    from by_customer
    group by month, customer_kind

),

-- where no source tells of any, nobody knows what winning costs
costs_told as (

    select count(cost) > 0 as are_there
    from events

),

won as (

    select
        date_trunc('month', first_purchase_date)::date as month,
        count(*) as customers_won

    from customers
    where is_first_purchase_observed
    group by month

),

-- in which a source began: whom it brought may have been there before
unobserved as (

    select distinct by_month.month
    from by_month
    inner join {{ ref('int_observation_starts') }} as starts
        on
            by_month.month < starts.first_purchase_date + starts.observed_after_days::integer
            and by_month.month + interval 1 month > starts.first_purchase_date
    where starts.has_complete_history is not true

),

completed as (

    select
        by_month.*,
        -- without merchandise there is none
        case when by_month.margin_basis is null then 0 else by_month.known_margin end as margin,
        by_month.customer_kind = 'new' and unobserved.month is null as tells_of_winning,
        coalesce(won.customers_won, 0) as customers_won,
        costs_told.are_there as tells_of_costs

    from by_month
    cross join costs_told
    left join won on by_month.month = won.month
    left join unobserved on by_month.month = unobserved.month

),

final as (

    select
        ---------- ids
        completed.month,
        completed.customer_kind,

        ---------- customers
        completed.customers::integer as customers,
        completed.repeat_customers::integer as repeat_customers,
        (completed.repeat_customers / nullif(completed.customers, 0))::double as repeat_rate,

        ---------- what they bring
        completed.purchases::integer as purchases,
        completed.net_revenue::decimal(18, 4) as net_revenue,
        completed.margin::decimal(18, 4) as margin,
        completed.margin_basis,

        ---------- what they cost
        completed.cost_to_serve::decimal(18, 4) as cost_to_serve,
        (completed.margin - completed.cost_to_serve)::decimal(18, 4) as profit,

        ---------- winning customers
        case when completed.tells_of_winning then completed.customers_won end::integer
            as customers_won,
        case
            when completed.tells_of_winning and completed.tells_of_costs
                then completed.cost_of_winning
        end::decimal(18, 4) as cost_of_winning,
        case
            when completed.tells_of_winning and completed.tells_of_costs
                then completed.cost_of_winning / nullif(completed.customers_won, 0)
        end::decimal(18, 4) as cost_per_customer_won,

        ---------- flags
        completed.month + interval 1 month <= as_of_date.as_of_date as is_month_over

    from completed
    cross join as_of_date

)

select * from final
