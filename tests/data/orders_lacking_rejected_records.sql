{{ config(severity='warn') }}
-- Orders of the newest run that lack a record which was rejected: an earlier whole version of them
-- counts, or they are too small.
with

order_lines as (

    select * from {{ ref('stg_order_lines') }}

),

final as (

    select distinct order_id
    from order_lines
    where
        is_incomplete
        and load_id in {{ changed_loads() }}

)

select * from final
