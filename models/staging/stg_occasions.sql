with source_rows as (

    {{ current_deliveries('occasions') }}

),

final as (

    select
        ---------- ids
        source,
        {{ customer_key() }} as customer_id,

        ---------- texts
        occasion,

        ---------- flags
        is_lunar,

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
