with

model_reports as (

    select * from {{ source('state', 'model_reports') }}

),

runs as (

    select * from {{ source('state', 'runs') }}

),

final as (

    select
        ---------- ids
        model_reports.run_id,
        model_reports.model,
        model_reports.metric,

        ---------- dates
        runs.as_of_date,

        ---------- numerics
        model_reports.value,

        ---------- flags
        model_reports.is_withheld

    from model_reports
    inner join runs on model_reports.run_id = runs.run_id

)

select * from final
