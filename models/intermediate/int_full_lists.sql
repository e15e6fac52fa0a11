{%- set entities = [
    'order_lines', 'customers', 'products', 'suppliers', 'stores', 'employees',
] -%}
-- Lists in their order of time, which is that of their newest rows: a stale file that came late
-- takes its place among the earlier ones. A list with rejected rows may lack what it held, so it
-- does not say what is gone; nor does an empty one.
with loads as (

    select * from {{ ref('stg_loads') }}
    where
        is_full_list
        and not is_superseded
        and rows_rejected = 0

),

{% for entity in entities -%}
    {{ entity }} as (

        select
            load_id,
            max(updated_at) as updated_at
        from {{ ref('stg_' ~ entity) }}
        where load_id in (select load_id from loads)
        group by load_id

    ),

{% endfor -%}

listed as (

    {%- for entity in entities %}
        select * from {{ entity }}
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}

),

ordered as (

    select
        loads.entity,
        loads.source,
        loads.load_id,
        loads.delivery_id,
        coalesce(listed.updated_at, loads.delivered_at) as listed_at,
        row_number() over (
            partition by loads.entity, loads.source
            order by coalesce(listed.updated_at, loads.delivered_at), loads.delivery_id
        ) as position
    from listed
    inner join loads on listed.load_id = loads.load_id

),

final as (

    select
        *,
        position = max(position) over (partition by entity, source) as is_newest
    from ordered

)

select * from final
