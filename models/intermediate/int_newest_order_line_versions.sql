-- Only lines of which there is more than one version, so mostly few or none.
with order_lines as (

    select * from {{ ref('int_order_lines_to_build') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

newest_versions as (

    select
        order_id,
        line_number,
        max({
            'updated_at': coalesce(updated_at, '-infinity'),
            'delivery_id': delivery_id,
            'load_id': load_id,
            'source_line': source_line
        }) as newest
    from order_lines
    where
        source in (
            select source from sources
            where delivers = 'lines'
        )
    group by order_id, line_number
    having count(*) > 1

),

final as (

    select
        order_id,
        line_number,
        newest.load_id,
        newest.source_line
    from newest_versions

)

select * from final
