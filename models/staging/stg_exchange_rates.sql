with source_rows as (

    {{ current_deliveries('exchange_rates') }}

),

final as (

    select
        ---------- ids
        source,

        ---------- texts
        currency,

        ---------- numerics
        rate,

        ---------- dates
        on_date,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
