{#- The key of a thing whose id another source may hand out, `<source>:<id>`: of the source named
    beside the id, else of the row's own. thing: product, of product_id and product_source. -#}
{% macro key_of(thing) -%}
    coalesce({{ thing }}_source, source) || ':' || {{ thing }}_id
{%- endmacro %}

{#- The source that handed out the id of a key: names of sources hold no colon. -#}
{% macro source_of(key) -%}
    split_part({{ key }}, ':', 1)
{%- endmacro %}
