{#- An item of a basket is a product, or all products of a type, category, department or brand. -#}
{% macro item_column(level) -%}
    {{ 'product_id' if level == 'product' else level }}
{%- endmacro %}

{#- Two levels may have the same text, so that the level is part of an item's key. -#}
{% macro item_key(level) -%}
    '{{ level }}:' || {{ item_column(level) }}
{%- endmacro %}

{#- The products of a CTE `products` that a CTE `excluded_items` says are none. -#}
{% macro excluded_products() -%}
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
{%- endmacro %}
