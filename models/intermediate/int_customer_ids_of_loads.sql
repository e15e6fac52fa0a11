{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('load_id', changed_loads()) if is_affected_build() }}"
) }}
-- Raw only grows, load by load, so a night reads the customer ids of its own loads only.
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

customer_ids as (

    select
        load_id,
        source,
        source_customer_id
    from customers
    union all
    select
        load_id,
        source,
        source_customer_id
    from order_lines
    union all
    select
        load_id,
        source,
        source_customer_id
    from campaign_contacts
    union all
    select
        load_id,
        source,
        source_customer_id
    from coupon_redemptions

),

customer_ids_to_keep as (

    select *
    from customer_ids
    where
        source_customer_id is not null
        and source_customer_id <> 'erased'

),

final as (

    select distinct
        load_id,
        source,
        source_customer_id
    from customer_ids_to_keep
    {%- if is_affected_build() %}
        where load_id in {{ changed_loads() }}
    {%- endif %}

)

select * from final
