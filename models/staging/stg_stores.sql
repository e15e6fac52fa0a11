with source_rows as (

    {{ current_deliveries('stores') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || store_id as store_id,

        ---------- texts
        name,
        kind,
        city,
        region,

        ---------- dates
        opened_on,
        closed_on,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
