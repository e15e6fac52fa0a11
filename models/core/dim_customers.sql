with customers as (

    select * from {{ ref('dim_customers_history') }}
    where is_current

),

identities as (

    select * from {{ ref('int_customer_identities') }}

),

members as (

    select
        identities.*,
        customers.* exclude (source, source_customer_id, customer_id),
        customers.customer_id is null as is_inferred
    from identities
    left join customers
        on identities.customer_id = customers.customer_id

    union all by name

    select
        unnest(['anonymous', 'erased']) as customer_id,
        false as is_inferred

),

final as (

    select
        ---------- ids
        customer_id,
        source,
        source_customer_id,
        business_id,
        referred_by_customer_id,

        ---------- personal data
        name,
        given_name,
        family_name,
        birth_date,
        email,
        phone,
        address,

        ---------- texts
        sex,
        age_band,
        city,
        region,
        country,
        income_band,
        household,
        acquisition_channel,

        ---------- dates
        acquired_at,

        ---------- flags
        is_inferred,
        coalesce(is_gone, false) as is_gone,
        coalesce(is_listed_prospect, false) as is_listed_prospect,

        ---------- numerics
        year(birth_date)::integer as birth_year
    from members

)

select * from final
