{%- set window_days = var('rfm_window_days') -%}
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

measures as (

    select
        orders.customer_id,
        as_of_date.as_of_date - max(orders.order_date) filter (where orders.is_purchase)
            as recency_days,
        count(*) filter (where orders.is_purchase) as frequency,
        sum(orders.merchandise_revenue)::decimal(18, 4) as monetary

    from orders
    cross join as_of_date
    {%- if window_days is not none %}
        where orders.order_date >= as_of_date.as_of_date - {{ window_days }}
    {%- endif %}
    group by orders.customer_id, as_of_date.as_of_date
    having count(*) filter (where orders.is_purchase) > 0

),

segments as (

    select * from {{ ref('rfm_segments') }}

),

-- rank() - 1 is the number of customers strictly worse; ties include oneself
ranked as (

    select
        *,
        rank() over (order by recency_days desc) - 1 as recency_worse,
        count(*) over (partition by recency_days) as recency_tied,
        rank() over (order by frequency) - 1 as frequency_worse,
        count(*) over (partition by frequency) as frequency_tied,
        rank() over (order by monetary) - 1 as monetary_worse,
        count(*) over (partition by monetary) as monetary_tied,
        count(*) over () as customers

    from measures

),

scored as (

    select
        customer_id,
        recency_days,
        frequency,
        monetary,
        (1 + (5 * (2 * recency_worse + recency_tied)) // (2 * customers))::integer as r_score,
        (1 + (5 * (2 * frequency_worse + frequency_tied)) // (2 * customers))::integer as f_score,
        (1 + (5 * (2 * monetary_worse + monetary_tied)) // (2 * customers))::integer as m_score

    from ranked

),

final as (

    select
        ---------- ids
        scored.customer_id,

        ---------- measures
        scored.recency_days::integer as recency_days,
        scored.frequency::integer as frequency,
        scored.monetary,

        ---------- scores
        scored.r_score,
        scored.f_score,
        scored.m_score,
        scored.r_score + scored.f_score + scored.m_score as rfm_total,
        segments.segment

    from scored
    left join segments
        on
            scored.r_score = segments.r_score
            and (scored.f_score + scored.m_score + 1) // 2 = segments.fm_score

)

select * from final
