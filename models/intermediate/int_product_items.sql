{%- set levels = var('mining_item_levels') -%}
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

mined_products as (

    select products.*
    from products
    where
        products.product_id <> 'unknown'
        and products.product_id not in (select product_id from excluded_products)

),

-- a product of none of the levels is an item by itself
final as (

    {% for level in levels -%}
        select
            product_id,
            {{ item_key(level) }} as item
        from mined_products
        where {{ item_column(level) }} is not null
        {% if not loop.last %}
            union all

        {% endif %}
    {%- endfor %}
    {%- if 'product' not in levels %}
        union all

        select
            product_id,
            {{ item_key('product') }} as item
        from mined_products
        where coalesce({{ levels | map('string') | join(', ') }}) is null
    {%- endif %}

)

select * from final
