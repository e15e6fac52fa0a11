with source_rows as (

    select * from {{ source('raw', 'rejected_rows') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

final as (

    select
        load_id,
        source,
        entity,
        source_file,
        source_line,
        column_name,
        reason
    from source_rows
    -- a file that came again, mended or under a mended mapping, was rejected no more than once
    where
        load_id not in (
            select load_id from loads
            where is_superseded or not is_newest_of_file
        )

)

select * from final
