-- Orders whose facts may differ from those of the last build. Empty where all is built anew: nobody
-- reads it then.
{% if not is_affected_build() -%}

    select null::varchar as order_id
    where false
{%- else -%}
    with changed_loads as (

        select * from {{ ref('stg_loads') }}
        where is_changed

    ),

    -- not staging, which hides the loads that were superseded in this very run
    order_lines as (

        select * from {{ source('raw', 'order_lines') }}

    ),

    last_order_lines as (

        select * from {{ source('last_build', 'fct_order_lines') }}

    ),

    last_orders as (

        select * from {{ source('last_build', 'fct_orders') }}

    ),

    last_lines_without_rate as (

        select * from {{ source('last_intermediate_build', 'int_order_lines_without_rate') }}

    ),

    last_products as (

        select * from {{ source('last_build', 'dim_products') }}

    ),

    products as (

        select * from {{ ref('int_products') }}

    ),

    line_kinds as (

        select * from {{ ref('int_product_line_kinds') }}

    ),

    product_terms as (

        select
            coalesce(products.product_id, line_kinds.product_id) as product_id,
            products.category,
            products.department,
            products.product_type,
            products.brand,
            coalesce(line_kinds.line_kind, 'merchandise') as line_kind
        from products
        full join line_kinds on products.product_id = line_kinds.product_id

    ),

    -- a line's margin rate and kind come from its product where it has none of its own, and so does
    -- the item that it is in a basket
    products_of_new_terms as (

        select product_id
        from last_products
        left join product_terms using (product_id)
        where
            last_products.category is distinct from product_terms.category
            or last_products.department is distinct from product_terms.department
            or last_products.product_type is distinct from product_terms.product_type
            or last_products.brand is distinct from product_terms.brand
            or last_products.line_kind
            <> coalesce(product_terms.line_kind, 'merchandise')

    ),

    -- a cost counts from the day when it was told; the first one for earlier orders too
    changed_costs as (

        select
            products.source || ':' || products.product_id as product_id,
            min({{ day_told('products.updated_at') }}) as told_on
        from {{ source('raw', 'products') }} as products
        left join {{ ref('stg_sources') }} as sources on products.source = sources.source
        where
            products.load_id in (select load_id from changed_loads)
            and products.unit_cost is not null
        group by all

    ),

    first_costs as (

        select
            product_id,
            min(told_on) as told_on
        from {{ ref('int_product_costs') }}
        group by product_id

    ),

    changed_costs_since as (

        select
            changed_costs.product_id,
            case
                when changed_costs.told_on > first_costs.told_on then changed_costs.told_on
                else date '1900-01-01'
            end as valid_from
        from changed_costs
        left join first_costs on changed_costs.product_id = first_costs.product_id

    ),

    earliest_change as (

        select min(valid_from) as valid_from
        from changed_costs_since

    ),

    affected_orders as (

        select source || ':' || order_id as order_id
        from order_lines
        where load_id in (select load_id from changed_loads)

        union

        select order_id
        from last_order_lines
        where product_id in (select product_id from products_of_new_terms)

        union

        select last_order_lines.order_id
        from last_order_lines
        inner join changed_costs_since
            on
                last_order_lines.product_id = changed_costs_since.product_id
                and last_order_lines.order_date >= changed_costs_since.valid_from
        where last_order_lines.order_date >= (select valid_from from earliest_change)

        union

        -- a rate, or the order returned, may have come since
        select order_id from last_lines_without_rate

        union

        -- a new list says of every order of its source whether it is gone
        select order_id
        from last_orders
        where source in (
            select source from changed_loads
            where entity = 'order_lines' and is_full_list
        )

    ),

    -- a return takes the cost and the rate of its order's day
    returns_of_affected_orders as (

        select order_id
        from last_order_lines
        where returned_order_id in (select order_id from affected_orders)

    )
    {%- if var('reporting_currency') -%}
        ,

        exchange_rates as (

            select * from {{ ref('int_daily_exchange_rates') }}

        ),

        orders_of_new_rates as (

            select last_order_lines.order_id
            from last_order_lines
            left join last_orders
                on last_order_lines.returned_order_id = last_orders.order_id
            left join exchange_rates
                on
                    last_order_lines.currency = exchange_rates.currency
                    and coalesce(last_orders.order_date, last_order_lines.order_date)
                    = exchange_rates.on_date
            where
                last_order_lines.currency <> '{{ var("reporting_currency") }}'
                and exists (
                    select 1 from changed_loads
                    where entity = 'exchange_rates'
                )
                and last_order_lines.exchange_rate is distinct from exchange_rates.rate

        ),

        product_currencies as (

            select distinct
                product_costs.product_id,
                sources.currency
            from {{ ref('int_product_costs') }} as product_costs
            inner join {{ ref('stg_sources') }} as sources
                on {{ source_of('product_costs.product_id') }} = sources.source
            where
                exists (
                    select 1 from changed_loads
                    where entity = 'exchange_rates'
                )

        ),

        -- their cost's rate is not kept, so that they are built again with any new rate
        orders_of_products_in_another_currency as (

            select last_order_lines.order_id
            from last_order_lines
            inner join product_currencies
                on last_order_lines.product_id = product_currencies.product_id
            where last_order_lines.currency <> product_currencies.currency

        )
    {%- endif %}

    select order_id from affected_orders
    union
    select order_id from returns_of_affected_orders
    {%- if var('reporting_currency') %}
        union
        select order_id from orders_of_new_rates
        union
        select order_id from orders_of_products_in_another_currency
    {%- endif %}
{%- endif %}
