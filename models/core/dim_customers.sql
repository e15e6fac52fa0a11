with customers as (

    select * from {{ ref('stg_customers') }}

),

identities as (

    select * from {{ ref('int_customer_identities') }}

),

newest_customers as (

    select *
    from customers
    qualify row_number() over (
        partition by customer_id
        order by updated_at desc, load_id desc, source_line desc
    ) = 1

),

members as (

    select
        identities.*,
        newest_customers.* exclude (source, source_customer_id, customer_id),
        newest_customers.customer_id is null as is_inferred
    from identities
    left join newest_customers
        on identities.customer_id = newest_customers.customer_id

    union all by name

    select
        'anonymous' as customer_id,
        false as is_inferred

),

final as (

    select
        ---------- ids
        customer_id,
        source,
        source_customer_id,
        business_id,
        referred_by as referred_by_customer_id,

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
        city,
        region,
        country,
        income_band,
        household,
        acquisition_channel,

        ---------- dates
        make_timestamp(epoch_us(acquired_at)) as acquired_at,

        ---------- flags
        is_inferred,
        coalesce(is_prospect, false) as is_listed_prospect,

        ---------- numerics
        year(birth_date)::integer as birth_year
    from members

)

select * from final
