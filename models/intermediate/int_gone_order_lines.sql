-- Only of sources that deliver full lists of orders, so mostly none.
with lists as (

    select * from {{ ref('int_full_lists') }}
    where
        entity = 'order_lines'
        and is_newest

),

order_lines as (

    select * from {{ ref('int_order_lines_to_build') }}
    where source in (select source from lists)

),

sources as (

    select * from {{ ref('stg_sources') }}

),

-- An order is in the list or not; where a source delivers single lines, a line is.
delivered_lines as (

    select
        order_lines.order_id,
        order_lines.line_number,
        case when sources.delivers = 'lines' then order_lines.line_number end as listed_line,
        order_lines.load_id = lists.load_id as is_listed,
        {
            'updated_at': coalesce(order_lines.updated_at, '-infinity'),
            'delivery_id': order_lines.delivery_id
        } as delivered,
        { 'updated_at': lists.listed_at, 'delivery_id': lists.delivery_id } as listed
    from order_lines
    inner join lists on order_lines.source = lists.source
    left join sources on order_lines.source = sources.source

),

-- what came after the list is there, though the list could not hold it
gone as (

    select
        order_id,
        listed_line
    from delivered_lines
    group by order_id, listed_line
    having not bool_or(is_listed) and max(delivered) < max(listed)

),

final as (

    select distinct
        delivered_lines.order_id,
        delivered_lines.line_number
    from delivered_lines
    inner join gone
        on
            delivered_lines.order_id = gone.order_id
            and coalesce(delivered_lines.listed_line, 0) = coalesce(gone.listed_line, 0)

)

select * from final
