with source_rows as (

    {{ current_deliveries('web_events') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || event_id as event_id,
        {{ customer_key() }} as customer_id,
        {{ key_of('product') }} as product_id,

        ---------- texts
        kind,

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
