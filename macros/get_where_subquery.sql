{#- What a generic test reads of its model. A night has proven all but the affected orders before, so of
    the tables with a row for every order line it tests those orders only. Not by ref: tests of other
    models would depend on int_affected_orders. -#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [config.get('where')] if config.get('where') else [] -%}
    {%- set large = ['fct_order_lines', 'int_counted_order_lines', 'int_basket_items'] -%}
    {%- if is_affected_build() and relation.identifier in large -%}
        {%- set affected = api.Relation.create(
            database=relation.database, schema='intermediate', identifier='int_affected_orders'
        ) -%}
        {%- do conditions.append('order_id in (select order_id from ' ~ affected ~ ')') -%}
    {%- endif -%}
    {%- if conditions -%}
        {%- do return('(select * from ' ~ relation ~ ' where ' ~ conditions | join(' and ') ~ ') dbt_subquery') -%}
    {%- else -%}
        {%- do return(relation) -%}
    {%- endif -%}
{%- endmacro %}
