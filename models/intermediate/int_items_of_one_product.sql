{%- set levels = var('mining_item_levels') -%}
with products as (

    select * from {{ ref('dim_products') }}

),

product_items as (

    {% for level in levels -%}
        select
            product_id,
            {{ item_key(level) }} as item
        from products
        where {{ item_column(level) }} is not null
        {% if not loop.last %}
            union all

        {% endif %}
    {%- endfor %}

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
