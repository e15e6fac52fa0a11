with

models as (

    select * from {{ source('mining', 'clv_models') }}

),

parameters as (

    select
        *,
        list_position(
            ['r', 'alpha', 'a', 'b', 's', 'beta', 'p', 'q', 'gamma'], parameter
        ) as position

    from {{ source('mining', 'clv_parameters') }}
    where period = 'now'

),

told as (

    select
        model,
        string_agg(
            parameter || ' = ' || format('{:.4g}', value)
            || coalesce(
                ' (' || format('{:.4g}', low) || ' to ' || format('{:.4g}', high) || ')',
                ' (not bounded)'
            ),
            ', ' order by position
        ) as parameters

    from parameters
    group by model

),

final as (

    select
        ---------- ids
        models.model,

        ---------- flags
        models.is_chosen,
        models.has_converged,
        models.is_drop_out_identified,
        models.is_better_than_naive,

        ---------- numerics
        models.customers,
        models.log_score,
        models.log_likelihood,

        ---------- texts
        told.parameters,
        models.why_not,

        ---------- dates
        models.mined_as_of

    from models
    left join told on models.model = told.model

)

select * from final
