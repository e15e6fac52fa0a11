{%- set first_month = var('fiscal_year_start_month') -%}
with orders as (

    select * from {{ ref('fct_orders') }}

),

campaign_contacts as (

    select * from {{ ref('fct_campaign_contacts') }}

),

coupon_redemptions as (

    select * from {{ ref('fct_coupon_redemptions') }}

),

chinese_holidays as (

    select * from {{ ref('chinese_holidays') }}

),

fact_dates as (

    select order_date as date_day from orders
    union all
    select contacted_date from campaign_contacts
    union all
    select redeemed_date from coupon_redemptions

),

-- Whole calendar years; none where there are no facts.
days as (

    select
        unnest(
            generate_series(
                date_trunc('year', min(date_day)),
                date_trunc('year', max(date_day))
                + interval 1 year
                - interval 1 day,
                interval 1 day
            )
        )::date as date_day
    from fact_dates

),

-- Two festivals may fall on one day (Mid-Autumn and National Day in 2020).
holidays as (

    select
        date_day,
        string_agg(holiday, ', ' order by holiday) as chinese_holiday
    from chinese_holidays
    group by date_day

),

-- A fiscal year bears the number of the calendar year in which it ends.
fiscal_days as (

    select
        date_day,
        (month(date_day) - {{ first_month }} + 12) % 12 + 1 as fiscal_month,
        (
            date_trunc('month', date_day)
            - to_months((month(date_day) - {{ first_month }} + 12) % 12)
        )::date as fiscal_year_start
    from days

),

final as (

    select
        fiscal_days.date_day,

        ---------- calendar
        year(fiscal_days.date_day)::integer as year,
        quarter(fiscal_days.date_day)::integer as quarter,
        month(fiscal_days.date_day)::integer as month,
        monthname(fiscal_days.date_day) as month_name,
        date_trunc('month', fiscal_days.date_day)::date as month_start,
        day(fiscal_days.date_day)::integer as day_of_month,
        isodow(fiscal_days.date_day)::integer as day_of_week,
        dayname(fiscal_days.date_day) as day_name,
        isodow(fiscal_days.date_day) >= 6 as is_weekend,

        ---------- iso weeks
        isoyear(fiscal_days.date_day)::integer as iso_year,
        weekofyear(fiscal_days.date_day)::integer as iso_week,
        date_trunc('week', fiscal_days.date_day)::date as iso_week_start,

        ---------- fiscal calendar
        year(fiscal_days.fiscal_year_start + interval 11 months)::integer
            as fiscal_year,
        ((fiscal_days.fiscal_month - 1) // 3 + 1)::integer as fiscal_quarter,
        fiscal_days.fiscal_month::integer as fiscal_month,
        (
            (fiscal_days.date_day - fiscal_days.fiscal_year_start) // 7 + 1
        )::integer as fiscal_week,

        ---------- holidays
        holidays.chinese_holiday,
        holidays.chinese_holiday is not null as is_chinese_holiday
    from fiscal_days
    left join holidays
        on fiscal_days.date_day = holidays.date_day

)

select * from final
