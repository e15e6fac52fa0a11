with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

-- lists may have stayed for days
recommendations as (

    select
        recommendations.* replace (
            recommendations.days_since
            + (as_of_date.as_of_date - recommendations.mined_as_of) as days_since
        )

    from {{ source('mining', 'recommendations') }} as recommendations
    cross join as_of_date

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

product_items as (

    select * from {{ ref('int_product_items') }}

),

rule_items as (

    select * from {{ ref('int_rule_items') }}

),

antecedents as (

    select
        rank as rule_rank,
        item,
        count(*) over (partition by rank) as item_count

    from rule_items
    where side = 'antecedents'

),

consequents as (

    select
        rank as rule_rank,
        item

    from rule_items
    where side = 'consequents'

),

customer_items as (

    select distinct
        customer_id,
        item

    from {{ ref('int_rule_basket_items') }}

),

-- whom a rule is for: they have all of its left side ...
customer_rules as (

    select
        customer_items.customer_id,
        antecedents.rule_rank
    from customer_items
    inner join antecedents
        on customer_items.item = antecedents.item
    group by
        customer_items.customer_id,
        antecedents.rule_rank,
        antecedents.item_count
    having count(*) = antecedents.item_count

),

-- ... and not yet what it leads to; one rule for each such item, before products come in
best_item_rules as (

    select
        customer_rules.customer_id,
        consequents.item,
        min(customer_rules.rule_rank) as rule_rank
    from customer_rules
    inner join consequents
        on customer_rules.rule_rank = consequents.rule_rank
    where (customer_rules.customer_id, consequents.item) not in (
        select (customer_id, item) from customer_items
    )
    group by customer_rules.customer_id, consequents.item

),

-- materialized, for else DuckDB joins all products of an item to all customers with a rule for it
recommended_items as materialized (

    select
        recommendations.customer_id,
        recommendations.product_id,
        product_items.item
    from recommendations
    inner join product_items
        on recommendations.product_id = product_items.product_id
    where recommendations.task = 'new'

),

best_rules as (

    select
        recommended_items.customer_id,
        recommended_items.product_id,
        min(best_item_rules.rule_rank) as rule_rank
    from recommended_items
    inner join best_item_rules
        on
            recommended_items.customer_id = best_item_rules.customer_id
            and recommended_items.item = best_item_rules.item
    group by recommended_items.customer_id, recommended_items.product_id

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
    -- a product is new to a customer or not: the task needs no condition of its own, which DuckDB
    -- would compare row by row
    left join best_rules
        on
            recommendations.customer_id = best_rules.customer_id
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
                    || if(
                        explained.mined_as_of = as_of_date.as_of_date,
                        ' in the last four weeks',
                        ' in the four weeks before ' || explained.mined_as_of
                    )
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
    cross join as_of_date
    cross join take_rate
    left join valued
        on explained.product_id = valued.product_id

)

select * from final
