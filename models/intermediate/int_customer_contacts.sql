-- Who spoke with whom in the last year, message by message; mailings of campaigns are none.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

interactions as (

    select
        interactions.customer_id,
        interactions.begun_by,
        interactions.answered_at,
        timezone(coalesce(sources.time_zone, 'UTC'), interactions.opened_at)::date as opened_date

    from {{ ref('stg_interactions') }} as interactions
    left join sources on interactions.source = sources.source
    -- delivered again, a contact counts once, as last told
    qualify {{ is_newest_version(['interactions.interaction_id'], 'interactions') }}

),

final as (

    select
        interactions.customer_id,
        count(*) filter (where interactions.begun_by = 'firm') as firm_contacts,
        count(*) filter (
            where interactions.begun_by = 'customer' and interactions.answered_at is not null
        ) as answered_contacts

    from interactions
    inner join as_of_date
        on
            interactions.opened_date < as_of_date.as_of_date
            and interactions.opened_date >= as_of_date.as_of_date - 365
    where {{ is_person('interactions.customer_id') }}
    group by interactions.customer_id

)

select * from final
