{#- The day of a line's order: that of the line itself, unless the lines of its order differ. -#}
{% macro order_date(order_lines='order_lines') -%}
coalesce(orders_with_differing_lines.order_date, {{ order_lines }}.ordered_at_local::date)
{%- endmacro %}

{#- Of whom, where and by what an order came, one of each: the line's own, or what was chosen where
    its lines do not agree. -#}
{% macro of_order(column, order_lines='order_lines') -%}
case
            when orders_with_differing_lines.order_id is null then {{ order_lines }}.{{ column }}
            else orders_with_differing_lines.{{ column }}
        end
{%- endmacro %}

{#- The day when something was told, in the time zone of its source, as orders have their days. -#}
{% macro day_told(told_at) -%}
timezone(coalesce(sources.time_zone, 'UTC'), {{ told_at }})::date
{%- endmacro %}
