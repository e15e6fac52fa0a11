{%- set levels = var('mining_item_levels') -%}
with mined_products as (

    select * from {{ ref('int_mined_products') }}

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
