-- Every raw line is in the facts, in no other version, or listed with a reason; and
-- nothing else is. Current versions are found here by ranking all of them, not as the
-- models do. Content that came again under another mapping counts as last read. A night looks at
-- the affected orders: it has not touched the others.
with replaced_loads as (

    select earlier.load_id
    from {{ source('raw', 'loads') }} as earlier
    inner join {{ source('raw', 'loads') }} as later
        using (source, entity, content_sha256)
    where
        earlier.load_id < later.load_id
        and earlier.mapping_sha256 <> later.mapping_sha256

),

raw_lines as (

    select
        order_lines.*,
        coalesce(loads.first_load_id, order_lines.load_id) as delivery_id,
        coalesce(sources.delivers, 'orders') as delivers
    from {{ source('raw', 'order_lines') }} as order_lines
    left join {{ source('raw', 'loads') }} as loads
        on order_lines.load_id = loads.load_id
    left join {{ source('raw', 'sources') }} as sources
        on order_lines.source = sources.source
    {%- if is_affected_build() %}
        inner join {{ ref('int_affected_orders') }} as affected_orders
            on order_lines.source || ':' || order_lines.order_id = affected_orders.order_id
    {%- endif %}
    where order_lines.load_id not in (select load_id from replaced_loads)

),

deliveries as (

    select
        source,
        order_id,
        load_id,
        row_number() over (
            partition by source, order_id
            order by
                bool_or(coalesce(is_incomplete, false)), max(updated_at) desc, delivery_id desc
        ) as delivery_rank
    from raw_lines
    where delivers = 'orders'
    group by source, order_id, load_id, delivery_id

),

current_lines as (

    select
        source,
        quantity,
        load_id,
        source_line
    from raw_lines
    inner join deliveries
        using (source, order_id, load_id)
    where delivery_rank = 1

    union all

    select
        source,
        quantity,
        load_id,
        source_line
    from raw_lines
    where delivers = 'lines'
    qualify row_number() over (
        partition by source, order_id, line_number
        order by updated_at desc, delivery_id desc, source_line desc
    ) = 1

),

expected as (

    select
        source,
        load_id,
        count(*) as lines,
        sum(quantity) as quantity,
        sum(source_line) as line_sum
    from current_lines
    group by source, load_id

),

accepted_and_listed as (

    select
        source,
        load_id,
        quantity,
        source_line
    from {{ ref('fct_order_lines') }}
    {%- if is_affected_build() %}
        where order_id in {{ affected_orders() }}
    {%- endif %}

    union all

    select
        listed.source,
        listed.load_id,
        lines.quantity,
        listed.source_line
    from {{ ref('int_order_lines_without_rate') }} as listed
    inner join {{ ref('int_current_order_lines') }} as lines
        using (order_id, line_number)

),

found as (

    select
        source,
        load_id,
        count(*) as lines,
        sum(quantity) as quantity,
        sum(source_line) as line_sum
    from accepted_and_listed
    group by source, load_id

)

select *
from expected
full join found
    using (source, load_id)
where
    expected.lines is distinct from found.lines
    or expected.quantity is distinct from found.quantity
    or expected.line_sum is distinct from found.line_sum
