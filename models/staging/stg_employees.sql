with source_rows as (

    {{ current_deliveries('employees') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || employee_id as employee_id,
        {{ key_of('store') }} as store_id,
        source || ':' || manager_id as manager_id,

        ---------- texts
        name,
        role,

        ---------- dates
        hired_on,
        left_on,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
