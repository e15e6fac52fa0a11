{#- Rows of a raw table, without loads whose file was delivered again under a mended mapping, each with
    the delivery that it is part of. -#}
{% macro current_deliveries(entity) -%}
select
        raw_rows.*,
        coalesce(loads.delivery_id, raw_rows.load_id) as delivery_id
    from {{ source('raw', entity) }} as raw_rows
    left join {{ ref('stg_loads') }} as loads
        on raw_rows.load_id = loads.load_id
    where not coalesce(loads.is_superseded, false)
{%- endmacro %}

{#- Whether a delivered row is the newest version of its key: by what its source says of the time of
    change, then by the order in which it came. -#}
{% macro is_newest_version(key, delivered_rows='') -%}
    {%- set prefix = delivered_rows ~ '.' if delivered_rows else '' -%}
row_number() over (
        partition by {{ key | join(', ') }}
        order by
            {{ prefix }}updated_at desc,
            {{ prefix }}delivery_id desc,
            {{ prefix }}source_line desc
    ) = 1
{%- endmacro %}
