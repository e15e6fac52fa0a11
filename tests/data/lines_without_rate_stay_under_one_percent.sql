-- A mistyped currency or a forgotten file of rates must not publish a shop without its lines: of no
-- source may more than one line in a hundred stay out of the facts because it cannot be valued.
with

order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

lines_without_rate as (

    select * from {{ ref('int_order_lines_without_rate') }}

),

valued as (

    select
        source,
        count(*) as lines
    from order_lines
    group by source

),

not_valued as (

    select
        source,
        count(*) as lines,
        count(distinct currency) as currencies,
        min(currency) as first_currency,
        min(order_date) as first_date
    from lines_without_rate
    group by source

),

final as (

    select
        not_valued.source,
        not_valued.lines as lines_without_rate,
        coalesce(valued.lines, 0) as lines_valued,
        not_valued.currencies,
        not_valued.first_currency,
        not_valued.first_date
    from not_valued
    left join valued on not_valued.source = valued.source
    where 99 * not_valued.lines > coalesce(valued.lines, 0)

)

select * from final
