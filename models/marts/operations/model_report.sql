with model_reports as (

    select * from {{ source('state', 'model_reports') }}

),

final as (

    select
        ---------- ids
        run_id,
        model,
        metric,

        ---------- dates
        as_of_date,

        ---------- numerics
        value,

        ---------- flags
        is_withheld

    from model_reports

)

select * from final
