with source_rows as (

    select * from {{ source('raw', 'loads') }}

),

-- ids sort by time
newest_run as (

    select max(run_id) as run_id
    from {{ source('state', 'runs') }}

),

marked as (

    select
        source_rows.*,
        coalesce(source_rows.run_id = newest_run.run_id, false) as is_new,
        coalesce(
            source_rows.mapping_sha256 <> lag(source_rows.mapping_sha256) over (
                partition by source_rows.source, source_rows.entity, source_rows.content_sha256
                order by source_rows.load_id
            ),
            true
        ) as begins_mapping
    from source_rows
    cross join newest_run

),

-- The same content under the same mapping (a change taken back) is a version of its own; under
-- another mapping it is the same version, read anew.
superseded as (

    select
        *,
        coalesce(
            load_id < max(case when begins_mapping then load_id end) over content_loads,
            false
        ) as is_superseded,
        coalesce(
            load_id < max(
                case when begins_mapping and not is_new then load_id end
            ) over content_loads,
            false
        ) as was_superseded
    from marked
    window content_loads as (partition by source, entity, content_sha256)

),

final as (

    select
        ---------- ids
        load_id,
        coalesce(first_load_id, load_id) as delivery_id,
        run_id,
        source,
        entity,
        source_file,

        ---------- dates
        loaded_at,
        coalesce(first_loaded_at, loaded_at) as delivered_at,
        listed_at,

        ---------- flags
        is_superseded,
        is_new or is_superseded <> was_superseded as is_changed,
        is_full_list,
        load_id = max(load_id) over (
            partition by source, entity, source_file
        ) as is_newest_of_file,

        ---------- numerics
        records_read,
        rows_loaded,
        rows_rejected,
        rows_derived,
        rows_skipped
    from superseded

)

select * from final
