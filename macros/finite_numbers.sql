{#- Shares and ratios are null where they are not defined, never NaN or infinite. -#}
{% test finite_numbers(model) %}
{%- if execute %}
    {%- for column in adapter.get_columns_in_relation(model) if column.data_type | lower in ('double', 'float') %}
select '{{ column.name }}' as column_name, {{ column.name }} as number
from {{ model }}
where isnan({{ column.name }}) or isinf({{ column.name }})
union all
    {%- endfor %}
{%- endif %}
select null as column_name, null as number
where false
{% endtest %}
