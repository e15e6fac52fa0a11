with source_rows as (

    select * from {{ source('raw', 'rejected_rows') }}

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

)

select * from final
