-- Only orders that came in more than one delivery, so mostly few or none.
with order_lines as (

    select * from {{ ref('int_order_lines_to_build') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

-- A source that delivered once has nothing to compare: its lines are not read.
sources_to_compare as (

    select source
    from loads
    where
        entity = 'order_lines'
        and not is_superseded
        and source not in (
            select source from sources
            where delivers = 'lines'
        )
    group by source
    having count(*) > 1

),

-- The greatest (updated_at, delivery_id) of an order's lines belongs to the load
-- of the greatest (max(updated_at), delivery_id). A delivery that lacks a rejected
-- record of the order replaces no whole one.
final as (

    select
        order_id,
        max({
            'is_whole': not coalesce(is_incomplete, false),
            'updated_at': coalesce(updated_at, '-infinity'),
            'delivery_id': delivery_id,
            'load_id': load_id
        }).load_id as load_id
    from order_lines
    where source in (select source from sources_to_compare)
    group by order_id
    having min(load_id) <> max(load_id)

)

select * from final
