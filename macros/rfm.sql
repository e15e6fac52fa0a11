{#- The CTEs of RFM by definitions.md, `scored` the last of them: of `orders`, a relation of the orders
    of persons, as of the day that its column `as_of_date` gives; of several days each by itself. -#}
{% macro rfm_ctes(orders) -%}
measures as (

    select
        customer_id,
        as_of_date,
        as_of_date - max(order_date) filter (where is_purchase) as recency_days,
        count(*) filter (where is_purchase) as frequency,
        sum(merchandise_revenue)::decimal(18, 4) as monetary

    from {{ orders }}
    group by customer_id, as_of_date
    having count(*) filter (where is_purchase) > 0

),

rfm_segments as (

    select * from {{ ref('rfm_segments') }}

),

-- rank() - 1 is the number of customers strictly worse; ties include oneself
ranked as (

    select
        *,
        rank() over (partition by as_of_date order by recency_days desc) - 1 as recency_worse,
        count(*) over (partition by as_of_date, recency_days) as recency_tied,
        rank() over (partition by as_of_date order by frequency) - 1 as frequency_worse,
        count(*) over (partition by as_of_date, frequency) as frequency_tied,
        rank() over (partition by as_of_date order by monetary) - 1 as monetary_worse,
        count(*) over (partition by as_of_date, monetary) as monetary_tied,
        count(*) over (partition by as_of_date) as customers

    from measures

),

ranked_scores as (

    select
        customer_id,
        as_of_date,
        recency_days,
        frequency,
        monetary,
        (1 + (5 * (2 * recency_worse + recency_tied)) // (2 * customers))::integer as r_score,
        (1 + (5 * (2 * frequency_worse + frequency_tied)) // (2 * customers))::integer as f_score,
        (1 + (5 * (2 * monetary_worse + monetary_tied)) // (2 * customers))::integer as m_score

    from ranked

),

scored as (

    select
        ranked_scores.*,
        rfm_segments.segment

    from ranked_scores
    left join rfm_segments
        on
            ranked_scores.r_score = rfm_segments.r_score
            and (ranked_scores.f_score + ranked_scores.m_score + 1) // 2 = rfm_segments.fm_score

)
{%- endmacro %}
