with suppliers as (

    select * from {{ ref('stg_suppliers') }}

),

products as (

    select * from {{ ref('int_products') }}

),

newest_suppliers as (

    select *
    from suppliers
    qualify row_number() over (
        partition by supplier_id
        order by updated_at desc, load_id desc, source_line desc
    ) = 1

),

inferred_suppliers as (

    select
        supplier_id,
        min(source) as source
    from products
    where
        supplier_id <> 'unknown'
        and supplier_id not in (select supplier_id from newest_suppliers)
    group by supplier_id

),

members as (

    select
        *,
        false as is_inferred
    from newest_suppliers

    union all by name

    select
        *,
        true as is_inferred
    from inferred_suppliers

    union all by name

    select
        'unknown' as supplier_id,
        false as is_inferred

),

final as (

    select
        ---------- ids
        supplier_id,
        source,

        ---------- texts
        name,
        kind,
        country,

        ---------- flags
        is_inferred
    from members

)

select * from final
