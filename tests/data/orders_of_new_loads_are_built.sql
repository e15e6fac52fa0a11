-- What the newest run loaded is in the facts, or listed as not to be valued: of every order the
-- newest version that was loaded. Reads the facts without the list of affected orders that built
-- them, so an order that the list forgets shows here.
with

new_lines as (

    select
        order_id,
        load_id,
        max(updated_at) as updated_at
    from {{ ref('stg_order_lines') }}
    where load_id in {{ changed_loads() }}
    group by order_id, load_id

),

built_lines as (

    select
        order_id,
        load_id
    from {{ ref('fct_order_lines') }}

    union all

    select
        order_id,
        load_id
    from {{ ref('int_order_lines_without_rate') }}

),

built_orders as (

    select
        order_id,
        max(load_id) as load_id
    from built_lines
    where order_id in (select order_id from new_lines)
    group by order_id

),

-- A stale delivery does not win, so a build may rest on an earlier load; never on none.
final as (

    select
        new_lines.order_id,
        new_lines.load_id
    from new_lines
    left join built_orders on new_lines.order_id = built_orders.order_id
    where built_orders.order_id is null

)

select * from final
