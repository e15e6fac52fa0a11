with source_rows as (

    {{ current_deliveries('customers') }}

),

final as (

    select
        ---------- ids
        source,
        {{ customer_key() }} as customer_id,
        customer_id as source_customer_id,
        business_id,
        {{ customer_key('referred_by') }} as referred_by,

        ---------- texts
        name,
        given_name,
        family_name,
        sex,
        age_band,
        email,
        phone,
        address,
        city,
        region,
        country,
        income_band,
        household,
        acquisition_channel,

        ---------- flags
        is_prospect,

        ---------- dates
        birth_date,
        acquired_at,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
