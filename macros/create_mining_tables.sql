{#- The tables of the mine stage, as the sources' YAML describes them, empty where it has not run:
    `dbt build` alone works on day one. One of an older release, with other columns, is made anew. -#}
{% macro create_mining_tables() %}
{%- if execute %}
{%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'mining') %}
{%- set relation = api.Relation.create(
    database=target.database, schema=table.schema, identifier=table.name
) %}
{%- set found = adapter.get_columns_in_relation(relation) | map(attribute='name') | list %}
{%- if found != table.columns.keys() | list %}
create schema if not exists {{ table.schema }};
create or replace table {{ relation }} (
{%- for column in table.columns.values() %}
    {{ column.name }} {{ column.data_type }}{{ ',' if not loop.last }}
{%- endfor %}
);
comment on table {{ relation }} is '{{ table.description | trim | replace("'", "''") }}';
{%- for column in table.columns.values() %}
comment on column {{ relation }}.{{ column.name }} is '{{ column.description | trim | replace("'", "''") }}';
{%- endfor %}
{%- endif %}
{%- endfor %}
{%- endif %}
{% endmacro %}
