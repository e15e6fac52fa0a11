{%- set attributes = [
    'sex', 'birth_year', 'city', 'region', 'country', 'income_band', 'household', 'business_id',
    'acquired_at', 'acquisition_channel', 'referred_by_customer_id', 'is_listed_prospect',
] -%}
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

customers as (

    select * from {{ ref('dim_customers') }}
    where {{ is_person() }}

),

totals as (

    select * from {{ ref('int_customer_totals') }}

),

active_days as (

    select * from {{ ref('int_active_days') }}

),

purchases as (

    select * from {{ ref('int_counted_orders') }}
    where
        is_purchase
        and {{ is_person() }}

),

campaign_contacts as (

    select * from {{ ref('fct_campaign_contacts') }}

),

coupon_redemptions as (

    select * from {{ ref('fct_coupon_redemptions') }}

),

rfm as (

    select * from {{ ref('rfm') }}

),

clv as (

    select * from {{ ref('clv') }}

),

life_stages as (

    select * from {{ ref('customer_life_stages') }}
    where is_current

),

-- most purchases, then the latest one, then the key: always the same one
visits as (

    select
        customer_id,
        store_id,
        channel,
        count(*) as purchases,
        max(order_date) as last_purchase_date

    from purchases
    group by customer_id, store_id, channel

),

store_visits as (

    select
        customer_id,
        store_id,
        sum(purchases) as purchases,
        max(last_purchase_date) as last_purchase_date

    from visits
    where store_id <> 'unknown'
    group by customer_id, store_id

),

channel_visits as (

    select
        customer_id,
        channel,
        sum(purchases) as purchases,
        max(last_purchase_date) as last_purchase_date

    from visits
    where channel <> 'unknown'
    group by customer_id, channel

),

preferred_stores as (

    select
        customer_id,
        store_id

    from store_visits
    qualify row_number() over (
        partition by customer_id
        order by purchases desc, last_purchase_date desc, store_id asc
    ) = 1

),

preferred_channels as (

    select
        customer_id,
        channel

    from channel_visits
    qualify row_number() over (
        partition by customer_id
        order by purchases desc, last_purchase_date desc, channel asc
    ) = 1

),

reached as (

    select
        campaign_contacts.customer_id,
        count(distinct campaign_contacts.campaign_id) as campaigns_reached

    from campaign_contacts
    inner join as_of_date on campaign_contacts.contacted_date < as_of_date.as_of_date
    where campaign_contacts.is_holdout is not true
    group by campaign_contacts.customer_id

),

redeemed as (

    select
        coupon_redemptions.customer_id,
        count(*) as coupons_redeemed

    from coupon_redemptions
    inner join as_of_date on coupon_redemptions.redeemed_date < as_of_date.as_of_date
    group by coupon_redemptions.customer_id

),

aged as (

    select
        totals.*,
        (as_of_date.as_of_date - totals.last_purchase_date)::integer as recency_days,
        as_of_date.as_of_date - totals.first_purchase_date as days_since_first_purchase

    from totals
    cross join as_of_date

),

final as (

    select
        ---------- ids
        customers.customer_id,
        customers.source,

        ---------- attributes
        {% for attribute in attributes -%}
            customers.{{ attribute }},
        {% endfor %}
        ---------- dates
        aged.first_purchase_date,
        aged.last_purchase_date,
        case when aged.is_first_purchase_observed then aged.first_purchase_month end
            as cohort_month,

        ---------- flags
        aged.customer_id is null as is_prospect,
        aged.is_first_purchase_observed,
        case
            when aged.days_since_first_purchase > active_days.active_days then false
            when aged.is_first_purchase_observed then true
        end as is_new,

        ---------- activity
        case
            when aged.recency_days <= active_days.active_days then 'active'
            when aged.recency_days <= 2 * active_days.active_days then 'slipping'
            when aged.recency_days is not null then 'lapsed'
        end as status,
        life_stages.stage as life_stage,
        life_stages.from_date as life_stage_since,
        aged.recency_days,
        coalesce(aged.purchases, 0)::integer as purchases,
        coalesce(aged.purchase_days, 0)::integer as purchase_days,
        aged.median_gap_days::integer as median_gap_days,
        preferred_stores.store_id as preferred_store_id,
        preferred_channels.channel as preferred_channel,

        ---------- money
        coalesce(aged.net_revenue, 0)::decimal(18, 4) as net_revenue,
        coalesce(aged.returned_revenue, 0)::decimal(18, 4) as returned_revenue,
        coalesce(aged.discount_amount, 0)::decimal(18, 4) as discount_amount,
        (aged.net_revenue / aged.purchases)::decimal(18, 4) as average_order_value,
        aged.margin,
        aged.margin_basis,

        ---------- rfm
        rfm.r_score,
        rfm.f_score,
        rfm.m_score,
        rfm.rfm_total,
        rfm.segment,

        ---------- lifetime value
        clv.cost_to_serve,
        clv.realised_clv,
        clv.textbook_clv,

        ---------- campaigns
        coalesce(reached.campaigns_reached, 0)::integer as campaigns_reached,
        coalesce(redeemed.coupons_redeemed, 0)::integer as coupons_redeemed

    from customers
    cross join active_days
    left join aged on customers.customer_id = aged.customer_id
    left join rfm on customers.customer_id = rfm.customer_id
    left join clv on customers.customer_id = clv.customer_id
    left join life_stages on customers.customer_id = life_stages.customer_id
    left join preferred_stores on customers.customer_id = preferred_stores.customer_id
    left join preferred_channels on customers.customer_id = preferred_channels.customer_id
    left join reached on customers.customer_id = reached.customer_id
    left join redeemed on customers.customer_id = redeemed.customer_id

)

select * from final
