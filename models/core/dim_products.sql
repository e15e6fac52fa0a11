with products as (

    select * from {{ ref('int_products') }}

),

line_kinds as (

    select * from {{ ref('int_product_line_kinds') }}

),

suppliers as (

    select * from {{ ref('dim_suppliers') }}

),

order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

inferred_products as (

    select distinct product_id
    from order_lines
    where
        product_id <> 'unknown'
        and product_id not in (select product_id from products)

),

members as (

    select
        *,
        false as is_inferred
    from products

    union all by name

    select
        product_id,
        {{ source_of('product_id') }} as source,
        substr(product_id, position(':' in product_id) + 1) as source_product_id,
        true as is_inferred
    from inferred_products

    union all by name

    select
        'unknown' as product_id,
        false as is_inferred

),

final as (

    select
        ---------- ids
        members.product_id,
        members.source,
        members.source_product_id,
        members.supplier_id,

        ---------- texts
        members.name,
        members.brand,
        members.department,
        members.category,
        members.product_type,
        members.package_size,
        suppliers.name as supplier_name,
        coalesce(line_kinds.line_kind, 'merchandise') as line_kind,

        ---------- flags
        members.is_inferred,
        coalesce(members.is_gone, false) as is_gone,

        ---------- numerics
        members.list_price,
        members.unit_cost
    from members
    left join suppliers
        on members.supplier_id = suppliers.supplier_id
    left join line_kinds
        on members.product_id = line_kinds.product_id

)

select * from final
