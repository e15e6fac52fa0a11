{%- set attributes = ['age_band', 'sex', 'income_band', 'household', 'region', 'segment'] -%}
{%- set days_a_year = '365.25::double' -%}
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

totals as (

    select * from {{ ref('int_customer_totals') }}

),

customer_attributes as (

    select * from {{ ref('int_customer_attributes') }}

),

rfm as (

    select * from {{ ref('rfm') }}

),

-- the first day begins the time observed, so that only purchases after it tell of a frequency
customers as (

    select
        totals.customer_id,
        coalesce(customer_attributes.age_band, 'unknown') as age_band,
        coalesce(customer_attributes.sex, 'unknown') as sex,
        coalesce(customer_attributes.income_band, 'unknown') as income_band,
        coalesce(customer_attributes.household, 'unknown') as household,
        coalesce(customer_attributes.region, 'unknown') as region,
        coalesce(rfm.segment, 'unknown') as segment,
        as_of_date.last_date - totals.first_purchase_date as days,
        totals.purchases,
        totals.purchases - totals.first_day_purchases as later_purchases,
        totals.net_revenue,
        totals.margin,
        totals.margin_basis

    from totals
    cross join as_of_date
    left join customer_attributes on totals.customer_id = customer_attributes.customer_id
    left join rfm on totals.customer_id = rfm.customer_id

),

-- an attribute that is known of nobody makes no profile
of_one_attribute as (

    {% for attribute in attributes -%}
        select
            customer_id,
            '{{ attribute }}' as profile,
            '' as within,
            {{ attribute }} as value
        from customers
        qualify bool_or({{ attribute }} <> 'unknown') over ()

        union all

    {% endfor %}
    select
        customer_id,
        'all customers' as profile,
        '' as within,
        '' as value
    from customers

),

folded as (

    {{ folded_values('of_one_attribute') }}

),

groups_of_one_attribute as (

    select
        of_one_attribute.customer_id,
        of_one_attribute.profile,
        of_one_attribute.within,
        if(folded.is_folded, 'small groups', of_one_attribute.value) as value

    from of_one_attribute
    inner join folded
        on
            of_one_attribute.profile = folded.profile
            and of_one_attribute.value = folded.value

),

-- folded within each age band, so that the sexes add up to it
of_two_attributes as (

    select
        groups_of_one_attribute.customer_id,
        'age_band × sex' as profile,
        groups_of_one_attribute.value as within,
        customers.sex as value

    from groups_of_one_attribute
    inner join customers on groups_of_one_attribute.customer_id = customers.customer_id
    where groups_of_one_attribute.profile = 'age_band'
    qualify bool_or(customers.sex <> 'unknown') over ()

),

folded_pairs as (

    {{ folded_values('of_two_attributes') }}

),

groups_of_customers as (

    select * from groups_of_one_attribute

    union all

    select
        of_two_attributes.customer_id,
        of_two_attributes.profile,
        of_two_attributes.within,
        if(folded_pairs.is_folded, 'small groups', of_two_attributes.value) as value

    from of_two_attributes
    inner join folded_pairs
        on
            of_two_attributes.within = folded_pairs.within
            and of_two_attributes.value = folded_pairs.value

),

measured as (

    select
        groups_of_customers.profile,
        groups_of_customers.within,
        groups_of_customers.value,
        count(*) as n,
        sum(customers.days) as days,
        sum(customers.days * customers.days) as days_squared,
        sum(customers.purchases) as purchases,
        sum(customers.later_purchases) as later_purchases,
        sum(customers.later_purchases * customers.later_purchases) as later_purchases_squared,
        sum(customers.later_purchases * customers.days) as later_purchases_by_days,
        count(*) filter (where customers.purchases > 1) as repeat_customers,
        sum(customers.net_revenue) as net_revenue,
        sum(customers.net_revenue::decimal(38, 4) * customers.net_revenue)
            as net_revenue_squared,
        {{ sum_margin('customers.margin', 'customers.margin_basis') }} as margin,
        sum(customers.margin::decimal(38, 4) * customers.margin) as margin_squared,
        {{ combined_margin_basis('customers.margin_basis') }} as margin_basis

    from groups_of_customers
    inner join customers on groups_of_customers.customer_id = customers.customer_id
    group by groups_of_customers.profile, groups_of_customers.within, groups_of_customers.value
    having count(*) >= {{ var('profile_minimum_customers') }}

),

all_customers as (

    select count(*) as n from customers

),

final as (

    select
        ---------- which group
        measured.profile,
        {% for attribute in attributes -%}
            case
                when measured.profile = '{{ attribute }}' then measured.value
                {%- if attribute == 'age_band' %}
                    when measured.profile = 'age_band × sex' then measured.within
                {%- elif attribute == 'sex' %}
                    when measured.profile = 'age_band × sex' then measured.value
                {%- endif %}
            end as {{ attribute }},
        {% endfor %}
        ---------- how many
        measured.n as customers,
        measured.n::double / all_customers.n as share_of_customers,

        ---------- how often
        measured.days / {{ days_a_year }} as customer_years,
        measured.purchases::bigint as purchases,
        measured.later_purchases::double / nullif(measured.days, 0) * {{ days_a_year }}
            as purchases_per_year,
        {% for end, sign in [('low', '-'), ('high', '+')] -%}
            {{ ratio_end(
                sign, 'measured.n', 'measured.later_purchases', 'measured.days',
                'measured.later_purchases_squared', 'measured.later_purchases_by_days',
                'measured.days_squared'
            ) }} * {{ days_a_year }} as purchases_per_year_{{ end }},
        {% endfor %}
        ---------- whether again
        measured.repeat_customers,
        measured.repeat_customers::double / measured.n as repeat_share,
        {% for end, sign in [('low', '-'), ('high', '+')] -%}
            {{ wilson_end(sign, 'measured.repeat_customers', 'measured.n') }}
                as repeat_share_{{ end }},
        {% endfor %}
        ---------- how much
        measured.net_revenue::decimal(18, 4) as net_revenue,
        (measured.net_revenue / measured.n)::decimal(18, 4) as net_revenue_per_customer,
        {% for end, sign in [('low', '-'), ('high', '+')] -%}
            ({{ mean_end(
                sign, 'measured.n', 'measured.net_revenue', 'measured.net_revenue_squared'
            ) }})::decimal(18, 4) as net_revenue_per_customer_{{ end }},
        {% endfor %}
        measured.margin::decimal(18, 4) as margin,
        (measured.margin / measured.n)::decimal(18, 4) as margin_per_customer,
        {% for end, sign in [('low', '-'), ('high', '+')] -%}
            ({{ mean_end(sign, 'measured.n', 'measured.margin', 'measured.margin_squared') }})
            ::decimal(18, 4) as margin_per_customer_{{ end }},
        {% endfor %}
        measured.margin_basis

    from measured
    cross join all_customers

)

select * from final
