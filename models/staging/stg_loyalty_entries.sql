with source_rows as (

    {{ current_deliveries('loyalty_entries') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || entry_id as entry_id,
        {{ customer_key() }} as customer_id,
        {{ key_of('order') }} as order_id,

        ---------- texts
        kind,
        bond_kind,

        ---------- numerics
        points,

        ---------- dates
        occurred_at,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
