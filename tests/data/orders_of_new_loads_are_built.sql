-- Of every order that the newest run loaded the facts hold the newest version, or it is listed as
-- not to be valued. This does not ask the list of affected orders that the night built, so an order
-- that the list forgets shows here.
with

single_line_sources as (

    select * from {{ ref('stg_sources') }}
    where delivers = 'lines'

),

order_lines as (

    select
        *,
        source in (select source from single_line_sources) as is_single_line
    from {{ ref('stg_order_lines') }}
    where
        order_id in (
            select order_id
            from {{ ref('stg_order_lines') }}
            where load_id in {{ changed_loads() }}
        )

),

newest_versions as (

    select
        order_id,
        max({
            'is_whole': is_single_line or not is_incomplete,
            'updated_at': updated_at,
            'delivery_id': delivery_id,
            'load_id': load_id
        }).load_id as load_id
    from order_lines
    group by
        order_id,
        case when is_single_line then line_number end

),

built_versions as (

    select
        order_id,
        load_id
    from {{ ref('fct_order_lines') }}

    union all

    select
        order_id,
        load_id
    from {{ ref('int_order_lines_without_rate') }}

),

final as (

    select distinct
        order_id,
        load_id
    from newest_versions
    where
        (order_id, load_id) not in (
            select
                order_id,
                load_id
            from built_versions
            where order_id in (select order_id from order_lines)
        )

)

select * from final
