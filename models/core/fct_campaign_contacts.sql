{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('customer_id', changed_keys('campaign_contacts', 'customer_id')) if is_affected_build() }}"
) }}
with campaign_contacts as (

    select * from {{ ref('stg_campaign_contacts') }}
    {%- if is_affected_build() %}
        where customer_id in {{ changed_keys('campaign_contacts', 'customer_id') }}
    {%- endif %}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

newest_contacts as (

    select *
    from campaign_contacts
    qualify {{ is_newest_version(['campaign_id', 'customer_id', 'contacted_at']) }}

),

final as (

    select
        ---------- ids
        newest_contacts.campaign_id,
        newest_contacts.customer_id,
        newest_contacts.source,

        ---------- dates
        make_timestamp(epoch_us(newest_contacts.contacted_at))
            as contacted_at,
        timezone(
            coalesce(sources.time_zone, 'UTC'), newest_contacts.contacted_at
        )::date as contacted_date,
        make_timestamp(epoch_us(newest_contacts.opened_at)) as opened_at,
        make_timestamp(epoch_us(newest_contacts.clicked_at)) as clicked_at,

        ---------- flags
        coalesce(newest_contacts.is_holdout, false) as is_holdout,

        ---------- numerics
        newest_contacts.cost
    from newest_contacts
    left join sources
        on newest_contacts.source = sources.source

)

select * from final
