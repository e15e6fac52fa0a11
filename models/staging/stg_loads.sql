with source_rows as (

    select * from {{ source('raw', 'loads') }}

),

final as (

    select
        ---------- ids
        load_id,
        run_id,
        source,
        entity,
        source_file,

        ---------- dates
        loaded_at,

        ---------- flags
        load_id < max(load_id) over (
            partition by source, entity, content_sha256
        ) as is_superseded,
        load_id = max(load_id) over (
            partition by source, entity, source_file
        ) as is_newest_of_file,

        ---------- numerics
        records_read,
        rows_loaded,
        rows_rejected,
        rows_derived,
        rows_skipped
    from source_rows

)

select * from final
