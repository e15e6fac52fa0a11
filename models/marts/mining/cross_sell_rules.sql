with

rules as (

    select * from {{ source('mining', 'rules') }}

),

products as (

    select * from {{ ref('dim_products') }}

),

sides as (

    select
        rank,
        item_level,
        'antecedents' as side,
        antecedents as side_items

    from rules

    union all

    select
        rank,
        item_level,
        'consequents' as side,
        consequents as side_items

    from rules

),

items as (

    select
        rank,
        item_level,
        side,
        unnest(side_items) as item,
        generate_subscripts(side_items, 1) as position

    from sides

),

-- keys are product ids only at the level of products; at every other level they are names already
names as (

    select
        items.rank,
        list(coalesce(products.name, items.item) order by items.position)
        filter (where items.side = 'antecedents') as antecedent_names,
        list(coalesce(products.name, items.item) order by items.position)
        filter (where items.side = 'consequents') as consequent_names

    from items
    left join products
        on
            items.item_level = 'product'
            and items.item = products.product_id
    group by items.rank

),

final as (

    select
        ---------- ids
        rules.rank::integer as rank,
        rules.item_level,
        rules.antecedents,
        rules.consequents,
        names.antecedent_names,
        names.consequent_names,
        array_to_string(names.antecedent_names, ' + ')
        || ' → '
        || array_to_string(names.consequent_names, ' + ') as rule,

        ---------- counts
        rules.basket_count,
        rules.antecedent_count,
        rules.consequent_count,
        rules.joint_count,

        ---------- measures
        rules.antecedent_support,
        rules.consequent_support,
        rules.support,
        rules.confidence,
        rules.lift,
        rules.leverage,
        rules.conviction,
        rules.is_certain,
        rules.zhangs_metric,
        rules.jaccard,
        rules.certainty,
        rules.kulczynski

    from rules
    left join names on rules.rank = names.rank

)

select * from final
