with

rules as (

    select
        *,
        split_part(consequents[1], ':', 1) as consequent_level,
        substr(consequents[1], strpos(consequents[1], ':') + 1) as consequent

    from {{ source('mining', 'profile_rules') }}
    where is_published

),

products as (

    select * from {{ ref('dim_products') }}

),

antecedents as (

    select
        rank,
        unnest(antecedents) as antecedent,
        generate_subscripts(antecedents, 1) as position

    from rules

),

-- an antecedent is <attribute>:<value>
groups_of_customers as (

    select
        rank,
        list(split_part(antecedent, ':', 1) order by position) as attributes,
        list(substr(antecedent, strpos(antecedent, ':') + 1) order by position) as attribute_values

    from antecedents
    group by rank

),

final as (

    select
        ---------- ids
        (row_number() over (order by rules.rank))::integer as rank,
        groups_of_customers.attributes,
        groups_of_customers.attribute_values,
        rules.consequent,
        rules.consequent_level,
        coalesce(products.name, rules.consequent) as consequent_name,
        array_to_string(groups_of_customers.attribute_values, ' + ')
        || ' → '
        || coalesce(products.name, rules.consequent) as rule,

        ---------- where it was found
        rules.basket_count as customer_count,
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

        ---------- on later purchases
        rules.holdout_basket_count as holdout_customer_count,
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
    inner join groups_of_customers on rules.rank = groups_of_customers.rank
    left join products
        on
            rules.consequent_level = 'product'
            and rules.consequent = products.product_id

)

select * from final
