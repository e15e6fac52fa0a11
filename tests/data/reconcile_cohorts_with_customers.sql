-- A cohort has its customers, all of them active in month 0, never more later,
-- and a row for every month.
with

cells as (

    select * from {{ ref('cohort_retention') }}

),

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

customers as (

    select
        cohort_month,
        count(*) as customers

    from {{ ref('customers') }}
    where cohort_month is not null
    group by cohort_month

),

cohorts as (

    select
        cohort_month,
        min(customers) as customers,
        max(customers) as most_customers,
        count(*) as months

    from cells
    group by cohort_month

),

wrong_cohorts as (

    select coalesce(customers.cohort_month, cohorts.cohort_month) as cohort_month

    from customers
    cross join as_of_date
    full join cohorts on customers.cohort_month = cohorts.cohort_month
    where
        customers.customers is distinct from cohorts.customers
        or customers.customers is distinct from cohorts.most_customers
        or cohorts.months is distinct from
        date_diff('month', cohorts.cohort_month, as_of_date.last_date) + 1

),

wrong_cells as (

    select cells.cohort_month

    from cells
    cross join as_of_date
    where
        cells.active_customers > cells.customers
        or (cells.months_since = 0 and cells.active_customers < cells.customers)
        or (cells.active_customers is null) <> (
            cells.cohort_month + to_months(cells.months_since + 1) > as_of_date.as_of_date
        )

),

final as (

    select * from wrong_cohorts
    union all
    select * from wrong_cells

)

select * from final
