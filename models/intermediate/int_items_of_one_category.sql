with products as (

    select * from {{ ref('dim_products') }}
    where category is not null

),

-- a product of none of the levels is an item by itself
final as (

    {% for level in var('mining_item_levels') -%}
        select
            'favourite_category:' || category as item,
            {{ item_key(level) }} as other
        from products
        where {{ item_column(level) }} is not null

        union distinct

    {% endfor %}
    select
        'favourite_category:' || category as item,
        {{ item_key('product') }} as other
    from products

)

select * from final
