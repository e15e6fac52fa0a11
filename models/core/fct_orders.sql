{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('order_id', affected_orders()) if is_affected_build() }}"
) }}
with order_lines as (

    select * from {{ ref('fct_order_lines') }}
    {%- if is_affected_build() %}
        where order_id in {{ affected_orders() }}
    {%- endif %}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

-- A line that is cancelled or gone counts nothing in the amounts of its order.
flagged_lines as (

    select
        *,
        not is_cancelled and not is_gone as is_counted,
        line_kind = 'merchandise' and not is_cancelled and not is_gone as is_merchandise
    from order_lines

),

orders as (

    select
        order_id,
        min(source) as source,
        -- the same on every line of an order
        min(customer_id) as customer_id,
        min(store_id) as store_id,
        min(channel) as channel,
        min(employee_id) as employee_id,
        min(campaign_id) as campaign_id,
        min(order_date) as order_date,
        min(ordered_at) as ordered_at,
        min(ordered_at_local) as ordered_at_local,
        bool_and(is_gone) as is_gone,
        coalesce(bool_and(is_cancelled) filter (where not is_gone), false) as is_cancelled,
        count(*) as line_count,
        -- with a filter clause this takes twice as long
        count(distinct case when is_merchandise then product_id end)
            as product_count,
        -- pieces written off (negative, no return) were not sold
        sum(quantity) filter (where is_merchandise and (quantity > 0 or is_return))
            as units,
        sum(discount_amount) filter (where is_merchandise and not is_return)
            as discount_amount,
        sum(net_revenue) filter (where is_merchandise)
            as merchandise_revenue,
        sum(net_revenue) filter (
            where is_counted and line_kind = 'shipping'
        ) as shipping_revenue,
        sum(net_revenue) filter (
            where is_counted and line_kind = 'tax'
        ) as tax_revenue,
        sum(net_revenue) filter (
            where is_counted and line_kind = 'gift_card'
        ) as gift_card_revenue,
        sum(net_revenue) filter (
            where is_counted and line_kind = 'points'
        ) as points_revenue,
        sum(net_revenue) filter (
            where is_counted and line_kind = 'other'
        ) as other_revenue,
        sum(net_revenue) filter (where is_counted) as net_revenue,
        sum(net_revenue) filter (where is_merchandise and is_return)
            as returned_revenue,
        -- null without own merchandise: such an order is no purchase
        sum(net_revenue) filter (
            where is_merchandise and returned_order_id is null
        ) as own_merchandise_revenue,
        sum(margin) filter (where is_merchandise) as margin,
        count(*) filter (where is_merchandise and margin_basis = 'cost')
            as cost_lines,
        count(*) filter (where is_merchandise and margin_basis = 'rate')
            as rate_lines,
        count(*) filter (where is_merchandise and margin_basis = 'none')
            as lines_without_margin
    from flagged_lines
    group by order_id

),

final as (

    select
        ---------- ids
        orders.order_id,
        orders.source,
        orders.customer_id,
        orders.store_id,
        orders.channel,
        orders.employee_id,
        orders.campaign_id,

        ---------- dates
        orders.order_date,
        orders.ordered_at,
        orders.ordered_at_local,

        ---------- flags
        case
            when orders.is_gone then 'gone'
            when orders.is_cancelled then 'cancelled'
            else 'completed'
        end as order_status,
        orders.is_cancelled,
        orders.is_gone,
        coalesce(
            orders.own_merchandise_revenue > 0
            or (
                orders.own_merchandise_revenue = 0
                and sources.are_zero_orders_purchases
            ),
            false
        ) as is_purchase,

        ---------- numerics
        orders.line_count,
        orders.product_count,
        coalesce(orders.units, 0)::decimal(18, 4) as units,
        coalesce(orders.discount_amount, 0)::decimal(18, 4)
            as discount_amount,
        coalesce(orders.merchandise_revenue, 0)::decimal(18, 4)
            as merchandise_revenue,
        coalesce(orders.shipping_revenue, 0)::decimal(18, 4)
            as shipping_revenue,
        coalesce(orders.tax_revenue, 0)::decimal(18, 4) as tax_revenue,
        coalesce(orders.gift_card_revenue, 0)::decimal(18, 4)
            as gift_card_revenue,
        coalesce(orders.points_revenue, 0)::decimal(18, 4)
            as points_revenue,
        coalesce(orders.other_revenue, 0)::decimal(18, 4) as other_revenue,
        coalesce(orders.net_revenue, 0)::decimal(18, 4) as net_revenue,
        coalesce(orders.returned_revenue, 0)::decimal(18, 4)
            as returned_revenue,
        case
            when orders.lines_without_margin = 0
                then orders.margin::decimal(18, 4)
        end as margin,
        case
            when orders.lines_without_margin > 0 then 'none'
            when orders.cost_lines > 0 and orders.rate_lines > 0 then 'mixed'
            when orders.cost_lines > 0 then 'cost'
            when orders.rate_lines > 0 then 'rate'
        end as margin_basis
    from orders
    left join sources
        on orders.source = sources.source

)

select * from final
