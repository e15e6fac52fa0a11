with source_rows as (

    {{ current_deliveries('campaigns') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || campaign_id as campaign_id,

        ---------- texts
        name,
        kind,
        channel,

        ---------- numerics
        cost,

        ---------- dates
        starts_on,
        ends_on,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
