with source_rows as (

    {{ current_deliveries('coupons') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || coupon_id as coupon_id,
        source || ':' || product_id as product_id,
        source || ':' || campaign_id as campaign_id,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
