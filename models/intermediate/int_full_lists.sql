-- Lists in their order of time, which is that of their newest rows when they came (an erasure may
-- take such a row later): a stale file that came late takes its place among the earlier ones. A
-- list with rejected rows may lack what it held, so it does not say what is gone; nor does an
-- empty one.
with loads as (

    select * from {{ ref('stg_loads') }}
    where
        is_full_list
        and not is_superseded
        and rows_rejected = 0
        and listed_at is not null

),

ordered as (

    select
        entity,
        source,
        load_id,
        delivery_id,
        listed_at,
        row_number() over (
            partition by entity, source
            order by listed_at, delivery_id
        ) as position
    from loads

),

final as (

    select
        *,
        position = max(position) over (partition by entity, source) as is_newest
    from ordered

)

select * from final
