with products as (

    select * from {{ ref('dim_products') }}

),

excluded_items as (

    select * from {{ ref('excluded_items') }}

),

excluded_products as (

    select products.product_id
    from products
    inner join excluded_items
        on
            products.source = coalesce(excluded_items.source, products.source)
            and excluded_items.item = case excluded_items.item_level
                when 'product' then products.product_id
                when 'product_type' then products.product_type
                when 'category' then products.category
                when 'department' then products.department
                when 'brand' then products.brand
            end

),

final as (

    select
        ---------- ids
        product_id,
        source,

        ---------- text
        product_type,
        category,
        department,
        brand,
        line_kind,

        ---------- flags
        is_gone

    from products
    where
        product_id <> 'unknown'
        and product_id not in (select product_id from excluded_products)

)

select * from final
