-- One row. Nothing dated on or after the as-of date is counted in any mart.
with orders as (

    select * from {{ ref('fct_orders') }}

),

as_of as (

    {% if var('as_of') -%}
        select date '{{ var('as_of') }}' as as_of_date
    {%- else -%}
        select max(order_date) + 1 as as_of_date
        from orders
        where is_purchase
    {%- endif %}

),

final as (

    select
        as_of_date,
        as_of_date - 1 as last_date
    from as_of

)

select * from final
