{%- set discount_rate = var('clv_discount_rate') -%}
{%- set shrinkage_customers = var('clv_shrinkage_customers') -%}
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

customers as (

    select * from {{ ref('int_customer_totals') }}

),

customer_costs as (

    select * from {{ ref('int_customer_costs') }}

),

retention_rates as (

    select * from {{ ref('int_retention_rates') }}

),

predicted_values as (

    select * from {{ ref('int_predicted_values') }}

),

{% set counts = "model <> 'gamma_gamma'" -%}
models as (

    select
        max(model) filter (where is_chosen and {{ counts }}) as clv_model,
        bool_or(is_drop_out_identified) filter (where is_chosen and {{ counts }})
            as is_drop_out_identified,
        bool_or(is_better_than_naive) filter (where is_chosen and {{ counts }})
            as is_better_than_naive,
        max(why_not) filter (where {{ counts }}) as why_no_purchases,
        max(why_not) filter (where model = 'gamma_gamma') as why_no_spending

    from {{ source('mining', 'clv_models') }}

),

costs_to_serve as (

    select
        customer_id,
        sum(amount) as cost_to_serve

    from customer_costs
    group by customer_id

),

realised as (

    select
        customers.customer_id,
        customers.first_purchase_date,
        customers.first_purchase_month,
        customers.is_first_purchase_observed,
        customers.purchases,
        customers.net_revenue,
        customers.margin,
        customers.margin_basis,
        coalesce(costs_to_serve.cost_to_serve, 0)::decimal(18, 4) as cost_to_serve,
        (as_of_date.last_date - customers.first_purchase_date) / 365.25::double as tenure_years

    from customers
    cross join as_of_date
    left join costs_to_serve on customers.customer_id = costs_to_serve.customer_id

),

yearly as (

    select
        *,
        margin / greatest(1, tenure_years) as yearly_margin,
        cost_to_serve / greatest(1, tenure_years) as yearly_cost_to_serve

    from realised

),

-- a cohort's own rate weighs as much as it has customers against the whole's k
retained as (

    select
        yearly.*,
        cohorts.retention_rate as cohort_retention_rate,
        coalesce(cohorts.customers, 0) as cohort_customers,
        the_whole.retention_rate as overall_retention_rate,
        the_whole.retention_basis,
        case
            when cohorts.customers is null then the_whole.retention_rate
            else (
                cohorts.customers * cohorts.retention_rate
                + {{ shrinkage_customers }} * the_whole.retention_rate
            ) / (cohorts.customers + {{ shrinkage_customers }})
        end as retention_rate

    from yearly
    left join retention_rates as the_whole on the_whole.cohort_month is null
    left join retention_rates as cohorts
        on
            case when yearly.is_first_purchase_observed then yearly.first_purchase_month end
            = cohorts.cohort_month

),

loyal as (

    select
        *,
        case
            when retention_rate < 1
                then least({{ var('clv_maximum_years') }}, 1 / (1 - retention_rate))
            when retention_rate = 1 then {{ var('clv_maximum_years') }}
        end::double as years_of_loyalty

    from retained

),

-- today's worth of 1 a year over the years of loyalty;
-- the last part of a year counts in proportion, at its end
discounted as (

    select
        *,
        coalesce(list_sum([
            power(1 + {{ discount_rate }}::double, -year)
            for year in range(1, floor(years_of_loyalty)::bigint + 1)
        ]), 0)
        + (years_of_loyalty - floor(years_of_loyalty))
        * power(1 + {{ discount_rate }}::double, -years_of_loyalty) as discounted_years

    from loyal

),

final as (

    select
        ---------- ids
        discounted.customer_id,

        ---------- dates
        case when discounted.is_first_purchase_observed then discounted.first_purchase_month end
            as cohort_month,

        ---------- flags
        discounted.is_first_purchase_observed,

        ---------- realised
        discounted.tenure_years,
        discounted.purchases::integer as purchases,
        discounted.net_revenue,
        discounted.margin_basis,
        discounted.margin as realised_margin,
        discounted.cost_to_serve,
        (discounted.margin - discounted.cost_to_serve)::decimal(18, 4) as realised_clv,

        ---------- inputs of the textbook formula
        discounted.yearly_margin::decimal(18, 4) as yearly_margin,
        discounted.yearly_cost_to_serve::decimal(18, 4) as yearly_cost_to_serve,
        discounted.retention_basis,
        discounted.overall_retention_rate,
        discounted.cohort_retention_rate,
        discounted.cohort_customers::integer as cohort_customers,
        discounted.retention_rate,
        discounted.years_of_loyalty,
        {{ discount_rate }}::double as discount_rate,
        discounted.discounted_years,

        ---------- textbook
        (
            (discounted.yearly_margin - discounted.yearly_cost_to_serve)
            * discounted.discounted_years
        )::decimal(18, 4) as textbook_clv,

        ---------- predicted: still a customer?
        predicted_values.probability_alive,
        predicted_values.next_purchase_date,
        predicted_values.next_purchase_date_low,
        predicted_values.next_purchase_date_high,

        ---------- predicted: purchase days
        predicted_values.expected_purchases_30_days,
        predicted_values.expected_purchases_30_days_low,
        predicted_values.expected_purchases_30_days_high,
        predicted_values.expected_purchases_90_days,
        predicted_values.expected_purchases_90_days_low,
        predicted_values.expected_purchases_90_days_high,
        predicted_values.expected_purchases_365_days,
        predicted_values.expected_purchases_365_days_low,
        predicted_values.expected_purchases_365_days_high,
        predicted_values.expected_purchases_horizon,
        predicted_values.expected_purchases_horizon_low,
        predicted_values.expected_purchases_horizon_high,

        ---------- predicted: money
        predicted_values.expected_spending,
        predicted_values.margin_rate,
        predicted_values.expected_margin_30_days,
        predicted_values.expected_margin_30_days_low,
        predicted_values.expected_margin_30_days_high,
        predicted_values.expected_margin_90_days,
        predicted_values.expected_margin_90_days_low,
        predicted_values.expected_margin_90_days_high,
        predicted_values.expected_margin_365_days,
        predicted_values.expected_margin_365_days_low,
        predicted_values.expected_margin_365_days_high,
        predicted_values.expected_margin_horizon,
        predicted_values.expected_margin_horizon_low,
        predicted_values.expected_margin_horizon_high,
        predicted_values.expected_revenue_365_days_if_alive,
        predicted_values.expected_margin_365_days_if_alive,
        predicted_values.predicted_clv,
        predicted_values.predicted_clv_low,
        predicted_values.predicted_clv_high,

        ---------- how far to trust it
        models.clv_model,
        models.is_drop_out_identified,
        models.is_better_than_naive,
        case
            when predicted_values.customer_id is null
                then coalesce(models.why_no_purchases, 'nothing was forecast yet')
            when predicted_values.expected_spending is null
                then coalesce(models.why_no_spending, 'what such customers spend has no mean')
            when predicted_values.predicted_clv is null then 'no margin is known'
        end as why_no_prediction

    from discounted
    cross join models
    left join predicted_values on discounted.customer_id = predicted_values.customer_id

)

select * from final
