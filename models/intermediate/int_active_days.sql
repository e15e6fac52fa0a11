-- A of definitions.md: how long after a purchase a customer counts as active. One row, always.
with

purchase_days as (

    select * from {{ ref('int_customer_purchase_days') }}

),

final as (

    select
        greatest(
            {{ var('active_days_minimum') }},
            coalesce(quantile_disc(gap_days, {{ var('active_gap_quantile') }}), 0)
        ) as active_days

    from purchase_days

)

select * from final
