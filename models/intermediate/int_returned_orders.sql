-- Orders that returns point at, so mostly few or none.
with order_lines as (

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

{% if is_affected_build() -%}

    -- the orders returned that are not built again stand as they were
    last_lines as (

        select
            order_id,
            order_date
        from {{ source('last_build', 'fct_order_lines') }}
        where order_id in (select returned_order_id from returns)

        union all

        select
            order_id,
            order_date
        from {{ source('last_intermediate_build', 'int_order_lines_without_rate') }}

    ),

    lines_to_search as (

        select
            order_id,
            ordered_at_local::date as order_date
        from order_lines

        union all

        select
            order_id,
            order_date
        from last_lines
        where order_id not in {{ affected_orders() }}

    ),
{%- else -%}

    lines_to_search as (

        select
            order_id,
            ordered_at_local::date as order_date
        from order_lines

    ),
{%- endif %}

final as (

    select
        lines_to_search.order_id,
        min(
            coalesce(orders_with_differing_lines.order_date, lines_to_search.order_date)
        ) as order_date
    from lines_to_search
    left join orders_with_differing_lines
        on lines_to_search.order_id = orders_with_differing_lines.order_id
    where lines_to_search.order_id in (select returned_order_id from returns)
    group by lines_to_search.order_id

)

select * from final
