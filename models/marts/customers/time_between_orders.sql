{%- set windows = [30, 90, 365] -%}
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

customers as (

    select * from {{ ref('int_customer_totals') }}

),

purchase_days as (

    select
        purchase_days.customer_id,
        customers.is_first_purchase_observed,
        row_number() over (
            partition by purchase_days.customer_id order by purchase_days.order_date
        ) as purchase_day,
        lead(purchase_days.order_date) over (
            partition by purchase_days.customer_id order by purchase_days.order_date
        ) - purchase_days.order_date as days_to_next,
        as_of_date.last_date - purchase_days.order_date as days_seen

    from {{ ref('int_customer_purchase_days') }} as purchase_days
    inner join customers on purchase_days.customer_id = customers.customer_id
    cross join as_of_date

),

-- which purchase day it is, is known only of those whose first was seen
counted as (

    select
        if(purchase_day < 10, purchase_day::varchar, '10 and later') as purchase_day,
        'observed' as customers_counted,
        days_to_next,
        days_seen

    from purchase_days
    where is_first_purchase_observed

    union all

    select
        'any' as purchase_day,
        'all' as customers_counted,
        days_to_next,
        days_seen

    from purchase_days

),

final as (

    select
        ---------- ids
        purchase_day,
        customers_counted,

        ---------- who came back
        count(*)::integer as purchase_days,
        count(days_to_next)::integer as followed,
        {% for days in windows -%}
            (
                count(*) filter (where days_seen >= {{ days }} and days_to_next <= {{ days }})
                / nullif(count(*) filter (where days_seen >= {{ days }}), 0)
            )::double as followed_within_{{ days }}_days,
        {% endfor %}
        ---------- after how long
        quantile_disc(days_to_next, 0.1)::integer as first_tenth_days,
        quantile_disc(days_to_next, 0.25)::integer as first_quartile_days,
        quantile_disc(days_to_next, 0.5)::integer as median_days,
        quantile_disc(days_to_next, 0.75)::integer as third_quartile_days,
        quantile_disc(days_to_next, 0.9)::integer as ninth_tenth_days

    from counted
    group by purchase_day, customers_counted

)

select * from final
