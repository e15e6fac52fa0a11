-- Orders that returns point at, so mostly few or none.
with order_lines as (

    select * from {{ ref('int_current_order_lines') }}

),

returns as (

    select distinct returned_order_id
    from order_lines
    where returned_order_id is not null

),

final as (

    select
        order_id,
        min(ordered_at_local)::date as order_date
    from order_lines
    where order_id in (select returned_order_id from returns)
    group by order_id

)

select * from final
