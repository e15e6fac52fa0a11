with products as (

    select * from {{ ref('dim_products') }}

),

excluded_items as (

    select * from {{ ref('excluded_items') }}

),

excluded_products as (

    {{ excluded_products() }}

),

final as (

    select
        product_id,
        not is_gone as is_sold
    from products
    where
        product_id <> 'unknown'
        and line_kind = 'merchandise'
        and product_id not in (select product_id from excluded_products)

)

select * from final
