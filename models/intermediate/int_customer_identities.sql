-- One golden id over all source ids of a person. Until identities are resolved
-- every source id is a person of its own.
with customers as (

    select * from {{ ref('stg_customers') }}

),

order_lines as (

    select * from {{ ref('stg_order_lines') }}

),

campaign_contacts as (

    select * from {{ ref('stg_campaign_contacts') }}

),

coupon_redemptions as (

    select * from {{ ref('stg_coupon_redemptions') }}

),

source_customers as (

    select
        source,
        source_customer_id
    from customers
    union
    select
        source,
        source_customer_id
    from order_lines
    union
    select
        source,
        source_customer_id
    from campaign_contacts
    union
    select
        source,
        source_customer_id
    from coupon_redemptions

),

final as (

    select
        source,
        source_customer_id,
        source || ':' || source_customer_id as customer_id
    from source_customers
    where source_customer_id is not null

)

select * from final
