-- What each customer is likely to buy and to bring, where the history carries a model.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

histories as (

    select * from {{ ref('int_purchase_histories') }}
    where period = 'now'

),

customers as (

    select * from {{ ref('int_customer_totals') }}

),

costs_to_serve as (

    select
        customer_id,
        sum(amount) as cost_to_serve

    from {{ ref('int_customer_costs') }}
    group by customer_id

),

forecasts as (

    select * from {{ source('mining', 'clv_forecasts') }}

),

spending as (

    {{ gamma_gamma_parameters('now') }}

),

-- what the margin of all customers with the same basis is of their revenue, and what one purchase
-- day of theirs brings
the_whole as (

    select
        margin_basis,
        (sum(margin) / nullif(sum(net_revenue), 0))::double as margin_rate,
        (sum(net_revenue) / sum(purchase_days))::double as revenue_a_day

    from customers
    where margin is not null
    group by margin_basis

),

-- a customer's own rate weighs as much as what they bought, the whole's as some days of all
rated as (

    select
        customers.customer_id,
        case
            when customers.margin is null then null
            when customers.net_revenue <= 0 or the_whole.revenue_a_day <= 0
                then the_whole.margin_rate
            else (
                customers.margin::double
                + {{ var('clv_margin_rate_days') }}
                * the_whole.revenue_a_day
                * the_whole.margin_rate
            ) / (
                customers.net_revenue::double
                + {{ var('clv_margin_rate_days') }} * the_whole.revenue_a_day
            )
        end as margin_rate,
        (coalesce(costs_to_serve.cost_to_serve, 0) / customers.purchase_days)::double
            as cost_a_day

    from customers
    left join the_whole on customers.margin_basis = the_whole.margin_basis
    left join costs_to_serve on customers.customer_id = costs_to_serve.customer_id

),

expected as (

    select
        histories.customer_id,
        forecasts.* exclude (repeats, recency_days, age_days, mined_as_of),
        {{ expected_spending() }} as spending_a_day,
        rated.margin_rate,
        rated.cost_a_day,
        as_of_date.last_date

    from histories
    inner join forecasts
        on
            histories.repeats = forecasts.repeats
            and histories.recency_days = forecasts.recency_days
            and histories.age_days = forecasts.age_days
    inner join rated on histories.customer_id = rated.customer_id
    cross join spending
    cross join as_of_date

),

-- money of a purchase day: a margin below zero turns what is likely at least and at most around
valued as (

    select
        *,
        spending_a_day * margin_rate as margin_a_day,
        spending_a_day * margin_rate - cost_a_day as value_a_day,
        case when purchases_horizon > 0 then discounted_purchases / purchases_horizon else 0 end
            as discounted_share

    from expected

),

final as (

    select
        ---------- ids
        customer_id,

        ---------- still a customer?
        probability_alive,
        (last_date + days_to_next)::date as next_purchase_date,
        (last_date + days_to_next_low)::date as next_purchase_date_low,
        (last_date + days_to_next_high)::date as next_purchase_date_high,

        ---------- how often
        {% for days in ['30_days', '90_days', '365_days', 'horizon'] -%}
            purchases_{{ days }} as expected_purchases_{{ days }},
            purchases_{{ days }}_low as expected_purchases_{{ days }}_low,
            purchases_{{ days }}_high as expected_purchases_{{ days }}_high,
        {% endfor %}

        ---------- for how much
        spending_a_day::decimal(18, 4) as expected_spending,
        margin_rate,
        {% for days in ['30_days', '90_days', '365_days', 'horizon'] -%}
            (purchases_{{ days }} * margin_a_day)::decimal(18, 4) as expected_margin_{{ days }},
            (
                if(margin_a_day < 0, purchases_{{ days }}_high, purchases_{{ days }}_low)
                * margin_a_day
            )::decimal(18, 4) as expected_margin_{{ days }}_low,
            (
                if(margin_a_day < 0, purchases_{{ days }}_low, purchases_{{ days }}_high)
                * margin_a_day
            )::decimal(18, 4) as expected_margin_{{ days }}_high,
        {% endfor %}
        (purchases_365_days_if_alive * spending_a_day)::decimal(18, 4)
            as expected_revenue_365_days_if_alive,
        (purchases_365_days_if_alive * margin_a_day)::decimal(18, 4)
            as expected_margin_365_days_if_alive,
        (discounted_purchases * value_a_day)::decimal(18, 4) as predicted_clv,
        (
            if(value_a_day < 0, purchases_horizon_high, purchases_horizon_low)
            * discounted_share * value_a_day
        )::decimal(18, 4) as predicted_clv_low,
        (
            if(value_a_day < 0, purchases_horizon_low, purchases_horizon_high)
            * discounted_share * value_a_day
        )::decimal(18, 4) as predicted_clv_high

    from valued

)

select * from final
