with order_lines as (

    select * from {{ ref('int_order_lines_to_build') }}

),

newest_deliveries as (

    select * from {{ ref('int_newest_order_deliveries') }}

),

newest_versions as (

    select * from {{ ref('int_newest_order_line_versions') }}

),

gone_lines as (

    select * from {{ ref('int_gone_order_lines') }}

),

final as (

    select
        order_lines.*,
        gone_lines.order_id is not null as is_gone
    from order_lines
    left join newest_deliveries
        on order_lines.order_id = newest_deliveries.order_id
    left join newest_versions
        on
            order_lines.order_id = newest_versions.order_id
            and order_lines.line_number = newest_versions.line_number
    left join gone_lines
        on
            order_lines.order_id = gone_lines.order_id
            and order_lines.line_number = gone_lines.line_number
    where
        (
            newest_deliveries.order_id is null
            or order_lines.load_id = newest_deliveries.load_id
        )
        and (
            newest_versions.order_id is null
            or (
                order_lines.load_id = newest_versions.load_id
                and order_lines.source_line = newest_versions.source_line
            )
        )

)

select * from final
