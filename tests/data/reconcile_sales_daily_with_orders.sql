-- The sum over days, stores and channels is that of the orders, to the cent and to the piece.
{%- set measures = {
    'orders': 'count(*)',
    'purchases': 'count(*) filter (where is_purchase)',
    'units': 'sum(units)',
    'discount_amount': 'sum(discount_amount)',
    'returned_revenue': 'sum(returned_revenue)',
    'net_revenue': 'sum(merchandise_revenue)',
    'shipping_revenue': 'sum(shipping_revenue)',
    'tax_revenue': 'sum(tax_revenue)',
    'gift_card_revenue': 'sum(gift_card_revenue)',
    'points_revenue': 'sum(points_revenue)',
    'other_revenue': 'sum(other_revenue)',
} %}
with

sales as (

    select
        source,
    {% for measure in measures -%}
        sum({{ measure }}) as {{ measure }}{{ ',' if not loop.last }}
    {% endfor %}
    from {{ ref('sales_daily') }}
    group by source

),

orders as (

    select
        source,
    {% for measure, expression in measures.items() -%}
        {{ expression }} as {{ measure }}{{ ',' if not loop.last }}
    {% endfor %}
    from {{ ref('int_counted_orders') }}
    group by source

),

final as (

    select
        orders.source as orders_source,
        sales.source as sales_source

    from orders
    full join sales on orders.source = sales.source
    where
        sales.source is null
        or orders.source is null
        {%- for measure in measures %}
            or orders.{{ measure }} is distinct from sales.{{ measure }}
        {%- endfor %}

)

select * from final
