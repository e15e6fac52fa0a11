{%- set reporting_currency = var('reporting_currency') -%}
{#- where and by what: a matter of the whole order, as the customer is -#}
{%- set order_columns = ['store_id', 'channel', 'employee_id', 'campaign_id'] -%}
-- Every current line with its kind, its rate, its revenue and its margin.
with order_lines as not materialized (

    select * from {{ ref('int_current_order_lines') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

products as (

    select * from {{ ref('int_products') }}

),

product_costs as (

    select
        product_id,
        min(unit_cost) filter (where is_only_cost) as only_cost
    from {{ ref('int_product_costs') }}
    group by product_id

),

line_costs as (

    select * from {{ ref('int_order_line_costs') }}

),

product_line_kinds as (

    select * from {{ ref('int_product_line_kinds') }}

),

margin_rates as (

    select * from {{ ref('stg_margin_rates') }}

),

orders_with_differing_lines as (

    select * from {{ ref('int_orders_with_differing_lines') }}

),

returned_orders as (

    select * from {{ ref('int_returned_orders') }}

),

exchange_rates as (

    select * from {{ ref('int_daily_exchange_rates') }}

),

-- Who brings something back without a card is whoever bought it, where that is one person.
customers_of_returns as (

    select
        order_lines.order_id,
        case
            when min(returned_orders.customer_id) = max(returned_orders.customer_id)
                then min(returned_orders.customer_id)
        end as customer_id
    from order_lines
    inner join returned_orders
        on order_lines.returned_order_id = returned_orders.order_id
    group by order_lines.order_id

),

source_terms as (

    select
        sources.source,
        sources.currency,
        margin_rates.margin_rate
    from sources
    left join margin_rates
        on
            sources.source = margin_rates.source
            and margin_rates.category is null

),

-- Kept small: only products that say anything of their own about a line.
product_terms as (

    select
        coalesce(products.product_id, product_line_kinds.product_id)
            as product_id,
        product_line_kinds.line_kind,
        product_costs.only_cost,
        case when product_costs.product_id is not null then sources.currency end
            as cost_currency,
        margin_rates.margin_rate
    from products
    left join product_costs
        on products.product_id = product_costs.product_id
    left join sources
        on products.source = sources.source
    left join margin_rates
        on
            products.source = margin_rates.source
            and products.category = margin_rates.category
    full join product_line_kinds
        on products.product_id = product_line_kinds.product_id
    where
        product_line_kinds.line_kind is not null
        or product_costs.product_id is not null
        or margin_rates.margin_rate is not null

),

lines_with_terms as (

    select
        order_lines.* exclude (
            {%- for column in order_columns %}
                {{ column }},
            {%- endfor %}
            customer_id,
            line_kind,
            currency,
            unit_cost,
            net_revenue
        ),
        {%- for column in order_columns %}
            {{ of_order(column) }} as {{ column }},
        {%- endfor %}
        coalesce({{ of_order('customer_id') }}, customers_of_returns.customer_id) as customer_id,
        {{ order_date() }} as order_date,
        coalesce(order_lines.order_status = 'cancelled', false)
            as is_cancelled,
        coalesce(
            order_lines.line_kind, product_terms.line_kind, 'merchandise'
        ) as line_kind,
        coalesce(order_lines.currency, source_terms.currency) as currency,
        coalesce(
            order_lines.unit_cost, line_costs.unit_cost, product_terms.only_cost
        ) as unit_cost,
        -- a line's own cost is in its currency, a product's in that of the source that lists it
        case
            when order_lines.unit_cost is null then product_terms.cost_currency
        end as product_currency,
        coalesce(product_terms.margin_rate, source_terms.margin_rate)
            as margin_rate,
        coalesce(
            order_lines.net_revenue,
            {{ multiplied('order_lines.quantity', 'order_lines.unit_price') }}
            - coalesce(order_lines.discount_amount, 0)
        ) as net_revenue
    from order_lines
    left join source_terms
        on order_lines.source = source_terms.source
    left join product_terms
        on order_lines.product_id = product_terms.product_id
    left join line_costs
        on
            order_lines.order_id = line_costs.order_id
            and order_lines.line_number = line_costs.line_number
    left join orders_with_differing_lines
        on order_lines.order_id = orders_with_differing_lines.order_id
    left join customers_of_returns
        on order_lines.order_id = customers_of_returns.order_id

),

{%- if reporting_currency %}

    lines_with_rate as (

        select
            lines_with_terms.*,
            case
                when lines_with_terms.currency = '{{ reporting_currency }}'
                    then 1::decimal(18, 8)
                else exchange_rates.rate
            end as exchange_rate,
            case
                when
                    coalesce(lines_with_terms.product_currency, lines_with_terms.currency)
                    = '{{ reporting_currency }}'
                    then 1::decimal(18, 8)
                when lines_with_terms.product_currency is null then exchange_rates.rate
                else product_rates.rate
            end as cost_rate
        from lines_with_terms
        -- a return takes the rate of its original order
        left join returned_orders
            on lines_with_terms.returned_order_id = returned_orders.order_id
        left join exchange_rates
            on
                lines_with_terms.currency = exchange_rates.currency
                and coalesce(
                    returned_orders.order_date, lines_with_terms.order_date
                ) = exchange_rates.on_date
        left join exchange_rates as product_rates
            on
                lines_with_terms.product_currency = product_rates.currency
                and coalesce(
                    returned_orders.order_date, lines_with_terms.order_date
                ) = product_rates.on_date

    ),
{%- else %}

    lines_with_rate as (

        select
            *,
            1::decimal(18, 8) as exchange_rate,
            1::decimal(18, 8) as cost_rate
        from lines_with_terms

    ),
{%- endif %}

converted_lines as (

    select
        * exclude (net_revenue, unit_price, discount_amount),
        {{ to_reporting_currency('unit_price') }} as unit_price,
        coalesce({{ to_reporting_currency('discount_amount') }}, 0)
            as discount_amount,
        {{ to_reporting_currency('net_revenue') }} as net_revenue,
        case
            when line_kind = 'merchandise'
                then
                    {{ to_reporting_currency(multiplied('quantity', 'unit_cost'), 'cost_rate') }}
        end as cost_amount,
        case
            when line_kind <> 'merchandise' then null
            when quantity is not null and unit_cost is not null and cost_rate is not null
                then 'cost'
            when margin_rate is not null then 'rate'
            else 'none'
        end as margin_basis
    from lines_with_rate

),

final as (

    select
        ---------- ids
        order_id,
        line_number,
        source,
        coalesce(customer_id, 'anonymous') as customer_id,
        coalesce(product_id, 'unknown') as product_id,
        coalesce(store_id, 'unknown') as store_id,
        coalesce(channel, 'unknown') as channel,
        coalesce(employee_id, 'unknown') as employee_id,
        coalesce(campaign_id, 'unknown') as campaign_id,
        returned_order_id,

        ---------- texts
        line_kind,
        currency,
        margin_basis,

        ---------- dates
        order_date,
        -- not timezone('UTC', ...), which is 25 times slower
        make_timestamp(epoch_us(ordered_at)) as ordered_at,
        ordered_at_local,

        ---------- flags
        line_kind = 'merchandise'
        and (returned_order_id is not null or net_revenue < 0) as is_return,
        is_cancelled,
        is_gone,

        ---------- numerics
        quantity,
        unit_price,
        discount_amount,
        net_revenue,
        cost_amount,
        case margin_basis
            when 'cost' then net_revenue - cost_amount
            when 'rate' then {{ multiplied('net_revenue', 'margin_rate') }}
        end as margin,
        exchange_rate,

        ---------- delivery
        load_id,
        source_line
    from converted_lines

)

select * from final
