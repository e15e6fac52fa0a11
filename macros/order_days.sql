{#- The day of a line's order: that of the line itself, unless the lines of its order differ. -#}
{% macro order_date(order_lines='order_lines') -%}
coalesce(orders_with_differing_lines.order_date, {{ order_lines }}.ordered_at_local::date)
{%- endmacro %}

{#- The day when something was told, in the time zone of its source, as orders have their days. -#}
{% macro day_told(told_at) -%}
timezone(coalesce(sources.time_zone, 'UTC'), {{ told_at }})::date
{%- endmacro %}
