with stores as (

    select * from {{ ref('stg_stores') }}

),

order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

newest_stores as (

    select *
    from stores
    qualify row_number() over (
        partition by store_id
        order by updated_at desc, load_id desc, source_line desc
    ) = 1

),

inferred_stores as (

    select
        store_id,
        min(source) as source
    from order_lines
    where
        store_id <> 'unknown'
        and store_id not in (select store_id from newest_stores)
    group by store_id

),

members as (

    select
        *,
        false as is_inferred
    from newest_stores

    union all by name

    select
        *,
        true as is_inferred
    from inferred_stores

    union all by name

    select
        'unknown' as store_id,
        false as is_inferred

),

final as (

    select
        ---------- ids
        store_id,
        source,

        ---------- texts
        name,
        kind,
        city,
        region,

        ---------- dates
        opened_on,
        closed_on,

        ---------- flags
        is_inferred
    from members

)

select * from final
