with order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

-- Written so that DuckDB does not take these for few: of a plain inequality and `not (... or ...)`
-- it expects one row in 250, and keeps all lines in memory as the smaller side of a join.
final as (

    select order_lines.*
    from order_lines
    cross join as_of
    where
        not order_lines.is_cancelled
        and not order_lines.is_gone
        and (order_lines.order_date < as_of.as_of_date) is true

)

select * from final
