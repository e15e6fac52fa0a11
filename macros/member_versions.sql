{#- The versions of an entity's members, from all that was ever delivered of them: a delivery says how
    a member is from its updated_at on, a full list who is gone from the list's time on. So late
    deliveries take their place, and the same raw data gives the same history on any night.

    entity: of the input contract; its staging model is read.
    key: the column that tells its members apart.
    attributes: column to expression over the staging model, or to nothing for the column itself.

    A version is valid from valid_from until before valid_to. The first begins in 1900 and the last
    ends in 2200, beyond all dates that the loader accepts: what happened before a member was first
    described finds its first version. -#}
{% macro member_versions(entity, key, attributes) -%}
with lists as (

    select
        source,
        load_id,
        delivery_id,
        position,
        make_timestamp(epoch_us(listed_at)) as listed_at
    from {{ ref('int_full_lists') }}
    where entity = '{{ entity }}'

),

deliveries as (

    select
        {{ key }},
        source,
        load_id,
        delivery_id,
        source_line,
        greatest(
            coalesce(make_timestamp(epoch_us(updated_at)), timestamp '1900-01-01'),
            timestamp '1900-01-01'
        ) as told_at,
        {
            {%- for name, expression in attributes.items() %}
            '{{ name }}': {{ expression or name }}{{ ',' if not loop.last }}
            {%- endfor %}
        } as attributes
    from {{ ref('stg_' ~ entity) }}
    {%- if is_affected_build() %}
    where {{ key }} in {{ changed_members(entity, key) }}
    {%- endif %}

),

-- after which list a member was there: the one that holds it, or for other deliveries the last
-- one before; 0 before the first
presences as (

    select
        deliveries.{{ key }},
        deliveries.source,
        lists.position,
        true as is_listed
    from deliveries
    inner join lists on deliveries.load_id = lists.load_id

    union

    select
        deliveries.{{ key }},
        deliveries.source,
        coalesce(max(lists.position), 0) as position,
        false as is_listed
    from deliveries
    left join lists
        on
            deliveries.source = lists.source
            and (
                deliveries.told_at > lists.listed_at
                or (
                    deliveries.told_at = lists.listed_at
                    and deliveries.delivery_id > lists.delivery_id
                )
            )
    where
        deliveries.source in (select source from lists)
        and deliveries.load_id not in (select load_id from lists)
    group by
        deliveries.{{ key }},
        deliveries.source,
        deliveries.delivery_id,
        deliveries.source_line

),

departures_and_returns as (

    select
        presences.{{ key }},
        presences.source,
        lists.delivery_id,
        lists.listed_at as told_at,
        true as is_gone
    from presences
    inner join lists
        on
            presences.source = lists.source
            and presences.position + 1 = lists.position
    left join presences as still_there
        on
            still_there.is_listed
            and presences.{{ key }} = still_there.{{ key }}
            and lists.position = still_there.position
    where still_there.{{ key }} is null

    union

    select
        presences.{{ key }},
        presences.source,
        lists.delivery_id,
        lists.listed_at as told_at,
        false as is_gone
    from presences
    inner join lists
        on
            presences.source = lists.source
            and presences.position = lists.position
    where presences.is_listed

),

events as (

    select
        {{ key }},
        source,
        told_at,
        delivery_id,
        source_line,
        attributes,
        false as is_gone
    from deliveries

    union all by name

    select
        *,
        0 as source_line
    from departures_and_returns

),

-- a departure tells nothing else of a member: it is as it was
states as (

    select
        {{ key }},
        source,
        told_at,
        is_gone,
        last_value(attributes ignore nulls) over (
            partition by {{ key }}
            order by told_at, delivery_id, source_line
            rows between unbounded preceding and current row
        ) as attributes,
        row_number() over (
            partition by {{ key }}, told_at
            order by delivery_id desc, source_line desc
        ) = 1 as is_last_word
    from events

),

changes as (

    select
        *,
        lag(told_at) over same_member is null as is_first,
        lag({ 'attributes': attributes, 'is_gone': is_gone }) over same_member
            as state_before
    from states
    where is_last_word
    window same_member as (partition by {{ key }} order by told_at)

),

versions as (

    select
        *,
        case when is_first then timestamp '1900-01-01' else told_at end as valid_from
    from changes
    where
        is_first
        or state_before is distinct from { 'attributes': attributes, 'is_gone': is_gone }

),

final as (

    select
        {{ key }},
        source,
        {%- for name in attributes %}
        attributes.{{ name }} as {{ name }},
        {%- endfor %}
        is_gone,
        valid_from,
        coalesce(
            lead(valid_from) over (partition by {{ key }} order by valid_from),
            timestamp '2200-01-01'
        ) as valid_to,
        lead(valid_from) over (partition by {{ key }} order by valid_from) is null as is_current
    from versions

)

select * from final
{%- endmacro %}
