with source_rows as (

    {{ current_deliveries('account_owners') }}

),

final as (

    select
        ---------- ids
        source,
        {{ customer_key() }} as customer_id,
        {{ key_of('employee') }} as employee_id,

        ---------- dates
        owned_from,
        owned_to,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
