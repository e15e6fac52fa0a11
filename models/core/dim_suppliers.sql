with suppliers as (

    select * from {{ ref('dim_suppliers_history') }}
    where is_current

),

products as (

    select * from {{ ref('int_products') }}

),

inferred_suppliers as (

    select distinct supplier_id
    from products
    where
        supplier_id <> 'unknown'
        and supplier_id not in (select supplier_id from suppliers)

),

members as (

    select
        *,
        false as is_inferred
    from suppliers

    union all by name

    select
        supplier_id,
        {{ source_of('supplier_id') }} as source,
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
        is_inferred,
        coalesce(is_gone, false) as is_gone
    from members

)

select * from final
