with source_rows as (

    select * from {{ source('raw', 'loads') }}

),

final as (

    select
        load_id,
        run_id,
        source,
        entity,
        source_file,
        loaded_at,
        records_read,
        rows_loaded,
        rows_rejected,
        rows_derived,
        rows_skipped
    from source_rows

)

select * from final
