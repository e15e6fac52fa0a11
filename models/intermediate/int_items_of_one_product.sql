with product_items as (

    select * from {{ ref('int_product_items') }}

),

final as (

    select distinct
        items.item,
        others.item as other
    from product_items as items
    inner join product_items as others
        on
            items.product_id = others.product_id
            and items.item < others.item

)

select * from final
