with

rules as (

    select * from {{ source('mining', 'rules') }}
    where is_published

),

products as (

    select * from {{ ref('dim_products') }}

),

sides as (

    select
        rank,
        'antecedents' as side,
        antecedents as side_items

    from rules

    union all

    select
        rank,
        'consequents' as side,
        consequents as side_items

    from rules

),

items as (

    select
        rank,
        side,
        unnest(side_items) as item,
        generate_subscripts(side_items, 1) as position

    from sides

),

-- an item is <level>:<key>
keys as (

    select
        rank,
        side,
        position,
        split_part(item, ':', 1) as level,
        substr(item, strpos(item, ':') + 1) as key

    from items

),

-- keys are product ids only at the level of products; at every other level they are names already
named_sides as (

    select
        keys.rank,
    {% for side in ['antecedents', 'consequents'] -%}
        list(keys.key order by keys.position)
        filter (where keys.side = '{{ side }}') as {{ side }},
        list(keys.level order by keys.position)
        filter (where keys.side = '{{ side }}') as {{ side[:-1] }}_levels,
        list(coalesce(products.name, keys.key) order by keys.position)
        filter (where keys.side = '{{ side }}') as {{ side[:-1] }}_names{{ ',' if not loop.last }}
    {% endfor %}
    from keys
    left join products
        on
            keys.level = 'product'
            and keys.key = products.product_id
    group by keys.rank

),

final as (

    select
        ---------- ids
        (row_number() over (order by rules.rank))::integer as rank,
        named_sides.antecedents,
        named_sides.antecedent_levels,
        named_sides.antecedent_names,
        named_sides.consequents,
        named_sides.consequent_levels,
        named_sides.consequent_names,
        array_to_string(named_sides.antecedent_names, ' + ')
        || ' → '
        || array_to_string(named_sides.consequent_names, ' + ') as rule,

        ---------- where it was found
        rules.basket_count,
        rules.antecedent_count,
        rules.consequent_count,
        rules.joint_count,
        rules.antecedent_support,
        rules.consequent_support,
        rules.support,
        rules.confidence,
        rules.confidence_low,
        rules.confidence_high,
        rules.lift,
        rules.leverage,
        rules.phi,
        rules.conviction,
        rules.is_certain,
        rules.zhangs_metric,
        rules.jaccard,
        rules.certainty,
        rules.kulczynski,
        rules.improvement,

        ---------- on later baskets
        rules.holdout_basket_count,
        rules.holdout_antecedent_count,
        rules.holdout_consequent_count,
        rules.holdout_joint_count,
        rules.holdout_support,
        rules.holdout_confidence,
        rules.holdout_expected_confidence,
        rules.holdout_confidence_low,
        rules.holdout_confidence_high,
        rules.holdout_lift,
        rules.p_value,
        rules.q_value,
        rules.idle_p_value,
        rules.is_held,

        ---------- dates
        rules.mined_as_of

    from rules
    inner join named_sides on rules.rank = named_sides.rank

)

select * from final
