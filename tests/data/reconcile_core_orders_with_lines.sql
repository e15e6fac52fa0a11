-- Orders are the sums of their lines that are neither cancelled nor gone, by source, date,
-- customer, store, channel, employee and campaign.
with orders as (

    select
        source,
        order_date,
        customer_id,
        store_id,
        channel,
        employee_id,
        campaign_id,
        count(*) as orders,
        sum(line_count) as lines,
        sum(units) as units,
        sum(net_revenue) as net_revenue,
        sum(merchandise_revenue) as merchandise_revenue,
        sum(discount_amount) as discount_amount
    from {{ ref('fct_orders') }}
    {%- if is_affected_build() %}
        where order_id in {{ affected_orders() }}
    {%- endif %}
    group by source, order_date, customer_id, store_id, channel, employee_id, campaign_id

),

lines as (

    select
        source,
        order_date,
        customer_id,
        store_id,
        channel,
        employee_id,
        campaign_id,
        count(distinct order_id) as orders,
        count(*) as lines,
        coalesce(
            sum(quantity) filter (
                where line_kind = 'merchandise'
                and not (is_cancelled or is_gone)
                and (quantity > 0 or is_return)
            ),
            0
        ) as units,
        coalesce(sum(net_revenue) filter (where not (is_cancelled or is_gone)), 0)
            as net_revenue,
        coalesce(
            sum(net_revenue) filter (
                where line_kind = 'merchandise' and not (is_cancelled or is_gone)
            ),
            0
        ) as merchandise_revenue,
        coalesce(
            sum(discount_amount) filter (
                where
                line_kind = 'merchandise'
                and not (is_cancelled or is_gone)
                and not is_return
            ),
            0
        ) as discount_amount
    from {{ ref('fct_order_lines') }}
    {%- if is_affected_build() %}
        where order_id in {{ affected_orders() }}
    {%- endif %}
    group by source, order_date, customer_id, store_id, channel, employee_id, campaign_id

)

select *
from orders
full join lines
    using (source, order_date, customer_id, store_id, channel, employee_id, campaign_id)
where
    orders.orders is distinct from lines.orders
    or orders.lines is distinct from lines.lines
    or orders.units is distinct from lines.units
    or orders.net_revenue is distinct from lines.net_revenue
    or orders.merchandise_revenue is distinct from lines.merchandise_revenue
    or orders.discount_amount is distinct from lines.discount_amount
