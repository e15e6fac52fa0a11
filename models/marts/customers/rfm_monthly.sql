{%- set window_days = var('rfm_window_days') -%}
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

orders as (

    select
        customer_id,
        order_date,
        is_purchase,
        merchandise_revenue

    from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

-- the first days of this month and of those before: a month that is not over has no end to score
months as (

    select
        unnest(generate_series(
            date_trunc('month', as_of_date) - to_months({{ var('rfm_months') }}),
            date_trunc('month', as_of_date),
            to_months(1)
        ))::date as as_of_date

    from as_of_date

),

orders_to_score as (

    select
        orders.*,
        months.as_of_date

    from orders
    cross join months
    where
        orders.order_date < months.as_of_date
        {%- if window_days is not none %}
            and orders.order_date >= months.as_of_date - {{ window_days }}
        {%- endif %}

),

{{ rfm_ctes('orders_to_score') }},

final as (

    select
        ---------- ids
        as_of_date - 1 as month_end,
        customer_id,

        ---------- measures
        recency_days::integer as recency_days,
        frequency::integer as frequency,
        monetary,

        ---------- scores
        r_score,
        f_score,
        m_score,
        r_score + f_score + m_score as rfm_total,
        segment

    from scored

)

select * from final
