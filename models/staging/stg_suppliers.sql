with source_rows as (

    {{ current_deliveries('suppliers') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || supplier_id as supplier_id,
        supplier_id as source_supplier_id,

        ---------- texts
        name,
        kind,
        country,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
