-- Orders whose lines bear two dates or more, so mostly few or none.
with order_lines as (

    select * from {{ ref('int_current_order_lines') }}

),

final as (

    select
        order_id,
        min(ordered_at_local)::date as order_date
    from order_lines
    group by order_id
    having min(ordered_at_local)::date <> max(ordered_at_local)::date

)

select * from final
