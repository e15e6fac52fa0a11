with source_rows as (

    {{ current_deliveries('coupons') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || coupon_id as coupon_id,
        {{ key_of('product') }} as product_id,
        {{ key_of('campaign') }} as campaign_id,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
