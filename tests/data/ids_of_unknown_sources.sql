{{ config(severity='warn', fail_calc='coalesce(sum(rows), 0)::bigint') }}
{%- set id_columns = {
    'order_lines': ['product', 'returned_order', 'store', 'employee', 'campaign'],
    'products': ['supplier'],
    'employees': ['store'],
    'account_owners': ['employee'],
    'interactions': ['employee', 'order'],
    'campaign_contacts': ['campaign'],
    'coupons': ['product', 'campaign'],
    'coupon_redemptions': ['coupon', 'campaign', 'order'],
    'web_events': ['product'],
    'loyalty_entries': ['order'],
    'costs': ['store', 'employee'],
} -%}
-- A source that was never loaded hands out no ids: its name is mistyped, and what the rows point at
-- is found nowhere. The warning counts these rows.
with

sources as (

    select * from {{ ref('stg_sources') }}

),

{%- for entity in id_columns %}

    {{ entity }} as (

        {{ current_deliveries(entity) }}

    ),
{%- endfor %}

named_sources as (

    {%- for entity, things in id_columns.items() %}
        {%- set is_last_entity = loop.last %}
        {%- for thing in things %}

            select
                source,
                '{{ entity }}' as entity,
                '{{ thing }}_source' as column_name,
                {{ thing }}_source as named_source
            from {{ entity }}
            where
                {{ thing }}_source is not null
                and {{ thing }}_id is not null
            {%- if not (is_last_entity and loop.last) %}

                union all
            {%- endif %}
        {%- endfor %}
    {%- endfor %}

),

final as (

    select
        source,
        entity,
        column_name,
        named_source,
        count(*) as rows
    from named_sources
    where named_source not in (select source from sources)
    group by source, entity, column_name, named_source

)

select * from final
