with source_rows as (

    {{ current_deliveries('products') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || product_id as product_id,
        product_id as source_product_id,
        {{ key_of('supplier') }} as supplier_id,

        ---------- texts
        name,
        brand,
        department,
        category,
        product_type,
        package_size,

        ---------- numerics
        list_price,
        unit_cost,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
