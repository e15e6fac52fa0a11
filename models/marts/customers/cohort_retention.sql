with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

customers as (

    select * from {{ ref('int_customer_totals') }}
    where is_first_purchase_observed

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

month_money as (

    select * from {{ ref('int_customer_month_money') }}

),

cohorts as (

    select
        first_purchase_month as cohort_month,
        count(*) as customers

    from customers
    group by first_purchase_month

),

-- a row for every month up to that of the last day, with or without a purchase in it
cohort_months as (

    select
        cohorts.cohort_month,
        cohorts.customers,
        as_of_date.as_of_date,
        unnest(range(
            date_diff('month', cohorts.cohort_month, as_of_date.last_date) + 1
        ))::integer as months_since

    from cohorts
    cross join as_of_date

),

cells as (

    select
        cohort_month,
        customers,
        months_since,
        cohort_month + to_months(months_since + 1) <= as_of_date as is_over

    from cohort_months

),

activity as (

    select
        customers.first_purchase_month as cohort_month,
        date_diff('month', customers.first_purchase_month, purchase_days.order_date)
            as months_since,
        count(distinct customers.customer_id) as active_customers

    from customers
    inner join purchase_days on customers.customer_id = purchase_days.customer_id
    group by customers.first_purchase_month, months_since

),

money as (

    select
        customers.first_purchase_month as cohort_month,
        month_money.months_since,
        sum(month_money.net_revenue) as net_revenue,
        {{ sum_margin('month_money.margin', 'month_money.margin_basis') }} as margin,
        {{ combined_margin_basis('month_money.margin_basis') }} as margin_basis

    from customers
    inner join month_money on customers.customer_id = month_money.customer_id
    group by customers.first_purchase_month, month_money.months_since

),

final as (

    select
        ---------- dates
        cells.cohort_month,
        cells.months_since,

        ---------- numerics
        cells.customers::integer as customers,
        case when cells.is_over then coalesce(activity.active_customers, 0) end::integer
            as active_customers,
        case
            when cells.is_over
                then coalesce(activity.active_customers, 0) / cells.customers
        end::double as retention,
        case when cells.is_over then coalesce(money.net_revenue, 0) end::decimal(18, 4)
            as net_revenue,
        case
            when cells.is_over and money.cohort_month is null then 0
            when cells.is_over then money.margin
        end::decimal(18, 4) as margin,
        case when cells.is_over then money.margin_basis end as margin_basis

    from cells
    left join activity
        on
            cells.cohort_month = activity.cohort_month
            and cells.months_since = activity.months_since
    left join money
        on
            cells.cohort_month = money.cohort_month
            and cells.months_since = money.months_since

)

select * from final
