{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('customer_id', changed_keys('coupon_redemptions', 'customer_id')) if is_affected_build() }}"
) }}
with coupon_redemptions as (

    select * from {{ ref('stg_coupon_redemptions') }}
    {%- if is_affected_build() %}
        where customer_id in {{ changed_keys('coupon_redemptions', 'customer_id') }}
    {%- endif %}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

-- The campaign belongs to the key: one coupon can run in two campaigns and be
-- redeemed for both on one day (13 times in Complete Journey).
newest_redemptions as (

    select
        * exclude (campaign_id),
        coalesce(campaign_id, 'unknown') as campaign_id
    from coupon_redemptions
    qualify {{ is_newest_version(['coupon_id', 'customer_id', 'redeemed_at', 'campaign_id']) }}

),

final as (

    select
        ---------- ids
        newest_redemptions.coupon_id,
        newest_redemptions.customer_id,
        newest_redemptions.campaign_id,
        newest_redemptions.source,
        newest_redemptions.order_id,

        ---------- dates
        make_timestamp(epoch_us(newest_redemptions.redeemed_at))
            as redeemed_at,
        timezone(
            coalesce(sources.time_zone, 'UTC'), newest_redemptions.redeemed_at
        )::date as redeemed_date,

        ---------- numerics
        newest_redemptions.amount
    from newest_redemptions
    left join sources
        on newest_redemptions.source = sources.source

)

select * from final
