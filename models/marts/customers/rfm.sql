{%- set window_days = var('rfm_window_days') -%}
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

-- all of them, or those of a window
orders_to_score as (

    select
        orders.*,
        as_of_date.as_of_date

    from orders
    cross join as_of_date
    {%- if window_days is not none %}
        where orders.order_date >= as_of_date.as_of_date - {{ window_days }}
    {%- endif %}

),

{{ rfm_ctes('orders_to_score') }},

final as (

    select
        ---------- ids
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
