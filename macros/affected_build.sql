{#- Whether this build takes only what the newest run affects. The refresh says so by the environment,
    not by a dbt variable: a variable would have dbt parse the whole project anew. By hand: all. -#}
{% macro is_affected_build() -%}
    {%- do return(env_var('REGULARS_BUILD', 'all') == 'affected') -%}
{%- endmacro %}

{#- Before an incremental model adds the affected keys as they are now, all that it has of them goes,
    so that what a correction no longer holds goes too. -#}
{% macro delete_affected(key, affected) -%}
    {%- if is_incremental() -%}
    delete from {{ this }} where {{ key }} in {{ affected }}
    {%- endif -%}
{%- endmacro %}

{#- The orders whose facts are built again. -#}
{% macro affected_orders() -%}
    (select order_id from {{ ref('int_affected_orders') }})
{%- endmacro %}

{#- The loads of the newest run, and those that it superseded. -#}
{% macro changed_loads() -%}
    (select load_id from {{ ref('stg_loads') }} where is_changed)
{%- endmacro %}

{#- The keys of an entity's rows in the loads of the newest run and in those that it superseded. Not
    from staging, which hides the superseded ones. -#}
{% macro changed_keys(entity, key) -%}
    (
        select distinct
            {{ raw_key(key) }} as {{ key }}
        from {{ source('raw', entity) }}
        where load_id in {{ changed_loads() }}
    )
{%- endmacro %}

{#- The key of a row of raw, as staging writes it. -#}
{% macro raw_key(key) -%}
    {{ customer_key() if key == 'customer_id' else "source || ':' || " ~ key }}
{%- endmacro %}

{#- As changed_keys, and where a full list changed all keys of its source: others may be gone now. -#}
{% macro changed_members(entity, key) -%}
    (
        select {{ raw_key(key) }} as {{ key }}
        from {{ source('raw', entity) }}
        where
            load_id in {{ changed_loads() }}
            or source in (
                select source from {{ ref('stg_loads') }}
                where is_changed and is_full_list and entity = '{{ entity }}'
            )
    )
{%- endmacro %}
