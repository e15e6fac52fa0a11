with

rules as (

    select
        * exclude (rank),
        (row_number() over (order by rank))::integer as rank

    from {{ source('mining', 'rules') }}
    where is_published

),

rule_items as (

    select * from {{ ref('int_rule_items') }}

),

named_sides as (

    select
        rank,
    {% for side in ['antecedents', 'consequents'] -%}
        list(key order by position)
        filter (where side = '{{ side }}') as {{ side }},
        list(level order by position)
        filter (where side = '{{ side }}') as {{ side[:-1] }}_levels,
        list(name order by position)
        filter (where side = '{{ side }}') as {{ side[:-1] }}_names{{ ',' if not loop.last }}
    {% endfor %}
    from rule_items
    group by rank

),

final as (

    select
        ---------- ids
        rules.rank,
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
