with

recommendations as (

    select * from {{ source('mining', 'recommendations') }}

),

rules as (

    select * from {{ ref('cross_sell_rules') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

product_values as (

    select * from {{ ref('int_product_values') }}

),

take_rate as (

    select * from {{ ref('int_take_rate') }}

),

orders as (

    select * from {{ ref('int_counted_orders') }}
    where {{ is_person() }}

),

-- an item is <level>:<key>
antecedents as (

    select
        rank as rule_rank,
        unnest(list_transform(
            list_zip(antecedent_levels, antecedents), lambda pair: pair[1] || ':' || pair[2]
        )) as item

    from rules

),

consequents as (

    select
        rank as rule_rank,
        unnest(list_transform(
            list_zip(consequent_levels, consequents), lambda pair: pair[1] || ':' || pair[2]
        )) as item

    from rules

),

rule_items as (

    select item from antecedents
    union
    select item from consequents

),

basket_items as (

    select * from {{ ref('int_basket_items') }}
    where item in (select item from rule_items)

),

customer_items as (

    select distinct
        orders.customer_id,
        basket_items.item
    from basket_items
    inner join orders
        on basket_items.order_id = orders.order_id

),

product_items as (

    {% for level in ['product', 'product_type', 'category', 'department', 'brand'] -%}
        select
            product_id,
            {{ item_key(level) }} as item
        from products
        where {{ item_column(level) }} is not null
        {% if not loop.last %}
            union all

        {% endif %}
    {%- endfor %}

),

-- whom a rule is for: they have all of its left side and nothing of its right
led_to as (

    select
        recommendations.customer_id,
        recommendations.product_id,
        consequents.rule_rank
    from recommendations
    inner join product_items
        on recommendations.product_id = product_items.product_id
    inner join consequents
        on product_items.item = consequents.item
    left join customer_items
        on
            recommendations.customer_id = customer_items.customer_id
            and consequents.item = customer_items.item
    where
        recommendations.task = 'new'
        and customer_items.item is null

),

missing as (

    select
        led_to.customer_id,
        led_to.product_id,
        led_to.rule_rank
    from led_to
    inner join antecedents
        on led_to.rule_rank = antecedents.rule_rank
    left join customer_items
        on
            led_to.customer_id = customer_items.customer_id
            and antecedents.item = customer_items.item
    where customer_items.item is null

),

best_rules as (

    select
        led_to.customer_id,
        led_to.product_id,
        min(led_to.rule_rank) as rule_rank
    from led_to
    left join missing
        on
            led_to.customer_id = missing.customer_id
            and led_to.product_id = missing.product_id
            and led_to.rule_rank = missing.rule_rank
    where missing.rule_rank is null
    group by led_to.customer_id, led_to.product_id

),

explained as (

    select
        recommendations.*,
        coalesce(
            products.name, products.product_type, products.product_id
        ) as product_name,
        coalesce(
            because_products.name,
            because_products.product_type,
            because_products.product_id
        ) as because_product_name,
        rules.rule,
        if(
            best_rules.rule_rank is not null
            and recommendations.reason_kind <> 'looked_at',
            'rule',
            recommendations.reason_kind
        ) as shown_reason_kind
    from recommendations
    left join products
        on recommendations.product_id = products.product_id
    left join products as because_products
        on recommendations.because_product_id = because_products.product_id
    left join best_rules
        on
            recommendations.task = 'new'
            and recommendations.customer_id = best_rules.customer_id
            and recommendations.product_id = best_rules.product_id
    left join rules
        on best_rules.rule_rank = rules.rank

),

valued as (

    select
        product_id,
        margin_per_unit::double as margin_per_unit,
        margin_basis,
        net_revenue_per_unit::double * {{ var('mining_discount_share') }} as discount
    from product_values

),

final as (

    select
        ---------- ids
        explained.customer_id,
        explained.task,
        explained.rank,
        explained.product_id,
        explained.product_name,

        ---------- why
        case explained.shown_reason_kind
            when 'rule' then 'what goes together: ' || explained.rule
            when 'looked_at' then 'looked at on the web of late'
            when 'bought_together'
                then 'bought by those who bought ' || explained.because_product_name
            when 'popular'
                then
                    'bought by '
                    || explained.month_buyers
                    || if(explained.month_buyers = 1, ' customer', ' customers')
                    || ' in the last four weeks'
            when 'bought_before'
                then if(
                    explained.days_bought = 1,
                    'bought once, ',
                    'bought on '
                    || explained.days_bought
                    || ' days, every '
                    || explained.days_between
                    || if(explained.days_between = 1, ' day', ' days')
                    || ' on average, last '
                )
                || explained.days_since
                || if(explained.days_since = 1, ' day ago', ' days ago')
        end as reason,
        explained.shown_reason_kind as reason_kind,
        if(
            explained.shown_reason_kind = 'bought_together',
            explained.because_product_id,
            null
        ) as because_product_id,

        ---------- what it brings
        explained.purchase_probability,
        (
            take_rate.take_rate * (valued.margin_per_unit - valued.discount)
            - valued.discount * explained.purchase_probability
        )::decimal(18, 4) as expected_margin,
        valued.margin_basis,
        take_rate.take_rate_basis,

        ---------- dates
        explained.mined_as_of

    from explained
    cross join take_rate
    left join valued
        on explained.product_id = valued.product_id

)

select * from final
