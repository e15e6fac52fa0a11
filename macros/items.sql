{#- An item of a basket is a product, or all products of a type, category, department or brand. -#}
{% macro item_column(level) -%}
    {{ 'product_id' if level == 'product' else level }}
{%- endmacro %}

{#- Two levels may have the same text, so that the level is part of an item's key. -#}
{% macro item_key(level) -%}
    '{{ level }}:' || {{ item_column(level) }}
{%- endmacro %}
