-- Reasons are the loader's own words and hold no value: nobody's data shows.
with

rejected_rows as (

    select * from {{ ref('stg_rejected_rows') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

lines_without_rate as (

    select * from {{ ref('int_order_lines_without_rate') }}

),

all_rejected_rows as (

    select
        source,
        entity,
        source_file,
        source_line,
        column_name,
        reason

    from rejected_rows

    union all

    select
        lines_without_rate.source,
        'order_lines' as entity,
        loads.source_file,
        lines_without_rate.source_line,
        null as column_name,
        lines_without_rate.reason

    from lines_without_rate
    left join loads on lines_without_rate.load_id = loads.load_id

),

final as (

    select
        source,
        entity,
        source_file,
        coalesce(column_name, 'whole row') as column_name,
        reason,
        count(*) as rows,
        min(source_line) as first_line

    from all_rejected_rows
    group by source, entity, source_file, coalesce(column_name, 'whole row'), reason

)

select * from final
