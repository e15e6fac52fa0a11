{#- The tables of the mine stage, as the sources' YAML describes them, empty where it has not run:
    `dbt build` alone works on day one. One of an older release, with other columns, is made anew. -#}
{% macro create_mining_tables() %}
{%- if execute %}
{%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'mining') %}
{%- set relation = api.Relation.create(
    database=target.database, schema=table.schema, identifier=table.name
) %}
{%- set columns = [] %}
{%- for column in table.columns.values() %}
    {%- do columns.append(column.name ~ ' ' ~ column.data_type) %}
{%- endfor %}
{%- set found = [] %}
{%- for column in adapter.get_columns_in_relation(relation) %}
    {%- do found.append(column.name ~ ' ' ~ column.dtype | lower) %}
{%- endfor %}
{%- if found != columns %}
create schema if not exists {{ table.schema }};
create or replace table {{ relation }} ({{ columns | join(', ') }});
comment on table {{ relation }} is '{{ table.description | trim | replace("'", "''") }}';
{%- for column in table.columns.values() %}
comment on column {{ relation }}.{{ column.name }} is '{{ column.description | trim | replace("'", "''") }}';
{%- endfor %}
{%- endif %}
{%- endfor %}
{%- endif %}
{% endmacro %}
