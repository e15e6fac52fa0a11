with source_rows as (

    {{ current_deliveries('campaign_contacts') }}

),

final as (

    select
        ---------- ids
        source,
        {{ key_of('campaign') }} as campaign_id,
        {{ customer_key() }} as customer_id,
        customer_id as source_customer_id,

        ---------- flags
        is_holdout,

        ---------- numerics
        cost,

        ---------- dates
        contacted_at,
        opened_at,
        clicked_at,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
