{#- Rows of a raw table, without loads whose file was delivered again under a mended mapping. -#}
{% macro current_deliveries(entity) -%}
select * from {{ source('raw', entity) }}
    where load_id not in (select load_id from {{ ref('stg_loads') }} where is_superseded)
{%- endmacro %}
