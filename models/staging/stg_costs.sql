with source_rows as (

    {{ current_deliveries('costs') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || cost_id as cost_id,
        {{ customer_key() }} as customer_id,
        {{ key_of('store') }} as store_id,
        {{ key_of('employee') }} as employee_id,

        ---------- texts
        kind,

        ---------- numerics
        amount,

        ---------- dates
        occurred_on,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
