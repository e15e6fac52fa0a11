with campaigns as (

    select * from {{ ref('stg_campaigns') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

campaign_contacts as (

    select * from {{ ref('fct_campaign_contacts') }}

),

coupon_redemptions as (

    select * from {{ ref('fct_coupon_redemptions') }}

),

newest_campaigns as (

    select *
    from campaigns
    qualify {{ is_newest_version(['campaign_id']) }}

),

seen_campaigns as (

    select campaign_id from orders
    union
    select campaign_id from campaign_contacts
    union
    select campaign_id from coupon_redemptions

),

inferred_campaigns as (

    select campaign_id
    from seen_campaigns
    where
        campaign_id <> 'unknown'
        and campaign_id not in (select campaign_id from newest_campaigns)

),

members as (

    select
        *,
        false as is_inferred
    from newest_campaigns

    union all by name

    select
        campaign_id,
        {{ source_of('campaign_id') }} as source,
        true as is_inferred
    from inferred_campaigns

    union all by name

    select
        'unknown' as campaign_id,
        false as is_inferred

),

final as (

    select
        ---------- ids
        campaign_id,
        source,

        ---------- texts
        name,
        kind,
        channel,

        ---------- dates
        starts_on,
        ends_on,

        ---------- flags
        is_inferred,

        ---------- numerics
        cost
    from members

)

select * from final
