-- p of definitions.md before shrinkage: a row for each cohort and one for the whole (month null).
-- Periods count back from the as-of date: 12-month windows, or calendar months.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

customers as (

    select * from {{ ref('int_customer_totals') }}

),

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

history as (

    select
        min(purchase_days.order_date) as first_date,
        date_sub('month', min(purchase_days.order_date), as_of_date.as_of_date) >= 24
            as has_two_years

    from purchase_days
    cross join as_of_date
    group by as_of_date.as_of_date

),

-- the newest and the oldest period that lie whole within the history
complete_periods as (

    select
        history.has_two_years,
        as_of_date.as_of_date,
        as_of_date.last_date,
        case when history.has_two_years then 0 else 1 end as newest_period,
        case
            when history.has_two_years
                then date_sub('month', history.first_date, as_of_date.as_of_date) // 12 - 1
            else date_diff('month', history.first_date - 1, as_of_date.as_of_date) - 1
        end as oldest_period

    from history
    cross join as_of_date

),

customer_periods as (

    select distinct
        purchase_days.customer_id,
        complete_periods.has_two_years,
        complete_periods.newest_period,
        complete_periods.oldest_period,
        case
            when complete_periods.has_two_years
                then date_sub(
                    'month', purchase_days.order_date, complete_periods.last_date
                ) // 12
            else date_diff('month', purchase_days.order_date, complete_periods.as_of_date)
        end as period

    from purchase_days
    cross join complete_periods

),

followed_periods as (

    select
        customer_id,
        has_two_years,
        newest_period,
        period,
        coalesce(
            lead(period) over (partition by customer_id order by period desc) = period - 1, false
        ) as is_retained

    from customer_periods
    where period between newest_period and oldest_period

),

cohort_periods as (

    select
        followed_periods.customer_id,
        followed_periods.has_two_years,
        followed_periods.is_retained,
        case when customers.is_first_purchase_observed then customers.first_purchase_month end
            as cohort_month

    from followed_periods
    inner join customers on followed_periods.customer_id = customers.customer_id
    where followed_periods.period > followed_periods.newest_period

),

rates as (

    select
        cohort_month,
        has_two_years,
        grouping(cohort_month) = 1 as is_whole,
        count(distinct customer_id) as customers,
        count(*) filter (where is_retained) / count(*) as retention_rate

    from cohort_periods
    group by grouping sets ((has_two_years, cohort_month), (has_two_years))

),

final as (

    select
        ---------- dates
        cohort_month,

        ---------- numerics
        customers,
        case
            when has_two_years then '12-month windows'
            else 'monthly, to the 12th power'
        end as retention_basis,
        case
            when has_two_years then retention_rate
            else power(retention_rate, 12)
        end as retention_rate

    from rates
    where is_whole or cohort_month is not null

)

select * from final
