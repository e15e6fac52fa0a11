-- Only a published file is ever read, so the run that makes it reads as published.
with

runs as (

    select * from {{ source('state', 'runs') }}

),

run_stages as (

    select * from {{ source('state', 'run_stages') }}

),

stage_totals as (

    select
        run_id,
        {% for stage in ['load', 'core', 'mine', 'marts', 'check', 'publish'] -%}
            max(seconds) filter (where stage = '{{ stage }}') as {{ stage }}_seconds,
        {% endfor -%}
        max(rows_in) filter (where stage = 'load') as rows_read,
        max(rows_out) filter (where stage = 'load') as rows_loaded

    from run_stages
    group by run_id

),

final as (

    select
        ---------- ids
        runs.run_id,
        runs.version,

        ---------- dates
        timezone('UTC', runs.started_at) as started_at,
        timezone('UTC', runs.finished_at) as finished_at,
        runs.as_of_date,

        ---------- flags
        case when runs.status = 'running' then 'published' else runs.status end as status,

        ---------- numerics
        stage_totals.rows_read,
        stage_totals.rows_loaded,
        stage_totals.load_seconds,
        stage_totals.core_seconds,
        stage_totals.mine_seconds,
        stage_totals.marts_seconds,
        stage_totals.check_seconds,
        stage_totals.publish_seconds

    from runs
    left join stage_totals on runs.run_id = stage_totals.run_id

)

select * from final
