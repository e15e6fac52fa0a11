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
            yearly.is_first_purchase_observed
            and yearly.first_purchase_month = cohorts.cohort_month

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
        customer_id,

        ---------- dates
        case when is_first_purchase_observed then first_purchase_month end as cohort_month,

        ---------- flags
        is_first_purchase_observed,

        ---------- realised
        tenure_years,
        purchases::integer as purchases,
        net_revenue,
        margin_basis,
        margin as realised_margin,
        cost_to_serve,
        (margin - cost_to_serve)::decimal(18, 4) as realised_clv,

        ---------- inputs of the textbook formula
        yearly_margin::decimal(18, 4) as yearly_margin,
        yearly_cost_to_serve::decimal(18, 4) as yearly_cost_to_serve,
        retention_basis,
        overall_retention_rate,
        cohort_retention_rate,
        cohort_customers::integer as cohort_customers,
        retention_rate,
        years_of_loyalty,
        {{ discount_rate }}::double as discount_rate,
        discounted_years,

        ---------- textbook
        ((yearly_margin - yearly_cost_to_serve) * discounted_years)::decimal(18, 4)
            as textbook_clv

    from discounted

)

select * from final
