-- To the cent: a line in its own currency is worth what the source says, or quantity ×
-- unit price − discounts. (Conversion is held by unit tests: raw has nothing to sum it by.)
with facts as (

    select * from {{ ref('fct_order_lines') }}
    {%- if is_affected_build() %}
        where order_id in {{ affected_orders() }}
    {%- endif %}

),

raw_lines as (

    select * from {{ source('raw', 'order_lines') }}

),

expected as (

    select
        facts.source,
        facts.load_id,
        sum(
            coalesce(
                raw_lines.net_revenue,
                round(raw_lines.quantity::decimal(38, 4) * raw_lines.unit_price, 4)
                - coalesce(raw_lines.discount_amount, 0)
            )
        ) as net_revenue
    from facts
    inner join raw_lines
        on
            facts.load_id = raw_lines.load_id
            and facts.source_line = raw_lines.source_line
            and facts.line_number = raw_lines.line_number
            and facts.order_id = raw_lines.source || ':' || raw_lines.order_id
    where facts.exchange_rate = 1
    group by facts.source, facts.load_id

),

found as (

    select
        source,
        load_id,
        sum(net_revenue) as net_revenue
    from facts
    where exchange_rate = 1
    group by source, load_id

)

select *
from found
left join expected
    using (source, load_id)
where found.net_revenue is distinct from expected.net_revenue
