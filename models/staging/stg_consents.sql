with source_rows as (

    {{ current_deliveries('consents') }}

),

final as (

    select
        ---------- ids
        source,
        {{ customer_key() }} as customer_id,

        ---------- texts
        channel,

        ---------- flags
        is_given,

        ---------- dates
        given_at,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
