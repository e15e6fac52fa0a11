-- Orders that returns point at, so mostly few or none.
with order_lines as not materialized (

    select * from {{ ref('int_current_order_lines') }}

),

orders_with_differing_lines as (

    select * from {{ ref('int_orders_with_differing_lines') }}

),

returns as (

    select distinct returned_order_id
    from order_lines
    where returned_order_id is not null

),

lines_built_now as (

    select
        order_lines.order_id,
        order_lines.returned_order_id,
        {{ of_order('customer_id') }} as customer_id,
        {{ order_date() }} as order_date
    from order_lines
    left join orders_with_differing_lines
        on order_lines.order_id = orders_with_differing_lines.order_id

),

{% if is_affected_build() -%}

    -- the orders returned that are not built again stand as they were
    last_lines as (

        select
            order_id,
            returned_order_id,
            nullif(customer_id, 'anonymous') as customer_id,
            order_date
        from {{ source('last_build', 'fct_order_lines') }}
        where
            order_id in (select returned_order_id from returns)
            and order_id not in {{ affected_orders() }}

    ),

    found_lines as (

        select * from lines_built_now

        union all

        select * from last_lines

    ),
{%- else -%}

    found_lines as (

        select * from lines_built_now

    ),
{%- endif %}

final as (

    select
        order_id,
        min(order_date) as order_date,
        -- An order that takes something back may have its own customer from there: it lends none,
        -- so that nobody comes by a chain.
        case when bool_and(returned_order_id is null) then min(customer_id) end as customer_id
    from found_lines
    where order_id in (select returned_order_id from returns)
    group by order_id

)

select * from final
