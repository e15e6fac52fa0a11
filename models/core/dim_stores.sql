with stores as (

    select * from {{ ref('dim_stores_history') }}
    where is_current

),

orders as (

    select * from {{ ref('fct_orders') }}

),

inferred_stores as (

    select distinct store_id
    from orders
    where
        store_id <> 'unknown'
        and store_id not in (select store_id from stores)

),

members as (

    select
        *,
        false as is_inferred
    from stores

    union all by name

    select
        store_id,
        {{ source_of('store_id') }} as source,
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
        is_inferred,
        coalesce(is_gone, false) as is_gone
    from members

)

select * from final
