with source_rows as (

    {{ current_deliveries('coupon_redemptions') }}

),

final as (

    select
        ---------- ids
        source,
        {{ key_of('coupon') }} as coupon_id,
        {{ customer_key() }} as customer_id,
        customer_id as source_customer_id,
        {{ key_of('campaign') }} as campaign_id,
        {{ key_of('order') }} as order_id,

        ---------- numerics
        amount,

        ---------- dates
        redeemed_at,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
