with web_events as (

    select * from {{ ref('stg_web_events') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

products as (

    select * from {{ ref('int_recommendable_products') }}

),

newest_events as (

    select *
    from web_events
    qualify {{ is_newest_version(['event_id']) }}

),

local_events as (

    select
        newest_events.event_id,
        newest_events.customer_id,
        newest_events.product_id,
        newest_events.kind,
        timezone(
            coalesce(sources.time_zone, 'UTC'), newest_events.occurred_at
        )::date as event_date
    from newest_events
    left join sources
        on newest_events.source = sources.source

),

final as (

    select local_events.*
    from local_events
    inner join as_of
        on local_events.event_date < as_of.as_of_date
    inner join products
        on local_events.product_id = products.product_id
    where {{ is_person('local_events.customer_id') }}

)

select * from final
