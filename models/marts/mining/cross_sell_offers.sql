{#- people who count as much as is known of all offers: of two people none or all often buy -#}
{%- set people_of_all_offers = 20 -%}
with

rules as (

    select * from {{ ref('cross_sell_rules') }}

),

item_values as (

    select * from {{ ref('int_item_values') }}

),

take_rate as (

    select * from {{ ref('int_take_rate') }}

),

basket_items as (

    select * from {{ ref('int_rule_basket_items') }}
    where {{ is_person() }}

),

rule_items as (

    select * from {{ ref('int_rule_items') }}

),

rule_sides as (

    select
        rank,
        side,
        list(item order by item) as items

    from rule_items
    group by rank, side

),

-- what stands on a side of several rules is looked for once
numbered_sides as (

    select
        *,
        dense_rank() over (order by items) as itemset
    from rule_sides

),

itemset_items as (

    select distinct
        itemset,
        len(items) as item_count,
        unnest(items) as item

    from numbered_sides

),

purchase_days as (

    select
        order_date,
        is_holdout,
        row_number() over (order by order_date desc) as days_back,
        count(*) filter (where is_holdout) over () as holdout_days,
        min(order_date) filter (where is_holdout) over () as holdout_from

    from {{ ref('int_basket_periods') }}
    group by order_date, is_holdout

),

-- the hold-out, or all days where there is none; and as many days before it. An offer to those of
-- before would have held for the hold-out's first days.
windows as (

    select
        order_date,
        is_holdout or holdout_days = 0 as is_now,
        is_holdout
        and order_date < holdout_from + {{ var('mining_offer_days') }} as is_offer_time

    from purchase_days
    where
        days_back <= 2 * holdout_days
        or holdout_days = 0

),

basket_itemsets as (

    select
        basket_items.customer_id,
        windows.is_now,
        windows.is_offer_time,
        itemset_items.itemset

    from basket_items
    inner join itemset_items on basket_items.item = itemset_items.item
    inner join windows on basket_items.order_date = windows.order_date
    group by
        basket_items.basket,
        basket_items.customer_id,
        windows.is_now,
        windows.is_offer_time,
        itemset_items.itemset,
        itemset_items.item_count
    having count(*) = itemset_items.item_count

),

customer_itemsets as (

    select
        customer_id,
        itemset,
        bool_or(is_now) as is_now,
        bool_or(not is_now) as is_before,
        bool_or(is_offer_time) as is_in_offer_time

    from basket_itemsets
    group by customer_id, itemset

),

rule_itemsets as (

    select
        rank,
        max(itemset) filter (where side = 'antecedents') as antecedents,
        max(itemset) filter (where side = 'consequents') as consequents

    from numbered_sides
    group by rank

),

rule_people as (

    select
        rule_itemsets.rank,
        buyers.is_now and not coalesce(takers.is_now, false) as is_target,
        buyers.is_before and not coalesce(takers.is_before, false) as was_target,
        coalesce(takers.is_in_offer_time, false) as has_bought

    from rule_itemsets
    inner join customer_itemsets as buyers on rule_itemsets.antecedents = buyers.itemset
    left join customer_itemsets as takers
        on
            rule_itemsets.consequents = takers.itemset
            and buyers.customer_id = takers.customer_id

),

people as (

    select
        rank,
        count(*) filter (where is_target) as targets,
        count(*) filter (where was_target) as earlier_targets,
        count(*) filter (where was_target and has_bought) as earlier_targets_who_bought

    from rule_people
    group by rank

),

takes as (

    select
        rule_items.rank,
        case when count(*) = count(item_values.item) then sum(item_values.revenue_per_basket) end
            as revenue_per_take,
        case
            when count(*) = count(item_values.item)
                then {{ sum_margin('item_values.margin_per_basket', 'item_values.margin_basis') }}
        end as margin_per_take,
        case
            when count(*) = count(item_values.item)
                then {{ combined_margin_basis('item_values.margin_basis') }}
        end as margin_basis

    from rule_items
    left join item_values on rule_items.item = item_values.item
    where rule_items.side = 'consequents'
    group by rule_items.rank

),

-- of few people the share that bought is drawn to that of all offers
all_people as (

    select sum(earlier_targets_who_bought) / sum(earlier_targets) as share_who_bought
    from people

),

later_period as (

    select
        coalesce(bool_or(is_holdout), false) as is_there,
        max(order_date) - min(holdout_from) + 1 as days

    from purchase_days

),

offers as (

    select
        rules.*,
        coalesce(people.targets, 0) as targets,
        case when later_period.is_there then coalesce(people.earlier_targets, 0) end
            as earlier_targets,
        case when later_period.is_there then coalesce(people.earlier_targets_who_bought, 0) end
            as earlier_targets_who_bought,
        case
            when later_period.is_there
                then (
                    coalesce(people.earlier_targets_who_bought, 0)
                    + {{ people_of_all_offers }} * all_people.share_who_bought
                ) / (coalesce(people.earlier_targets, 0) + {{ people_of_all_offers }})
        end as would_have_bought_share,
        case
            when later_period.is_there
                then least(later_period.days, {{ var('mining_offer_days') }})
        end as offer_days,
        takes.revenue_per_take,
        takes.margin_per_take,
        takes.margin_basis,
        {{ var('mining_discount_share') }} as discount_share,
        takes.revenue_per_take * {{ var('mining_discount_share') }} as discount_per_take,
        take_rate.take_rate,
        take_rate.take_rate_basis,
        take_rate.take_rate_low,
        take_rate.take_rate_high

    from rules
    cross join later_period
    cross join all_people
    cross join take_rate
    left join people on rules.rank = people.rank
    left join takes on rules.rank = takes.rank

),

valued as (

    select
        *,
        take_rate * (margin_per_take - discount_per_take)
        - discount_per_take * would_have_bought_share as expected_margin_per_target

    from offers

),

final as (

    select
        ---------- ids
        (
            row_number() over (
                order by
                    (targets * expected_margin_per_target)::decimal(18, 4) desc nulls last,
                    rank
            )
        )::integer as rank,
        rank as rule_rank,
        antecedents,
        antecedent_levels,
        antecedent_names,
        consequents,
        consequent_levels,
        consequent_names,
        rule,

        ---------- whom
        targets,
        earlier_targets,
        earlier_targets_who_bought,
        would_have_bought_share::double as would_have_bought_share,
        offer_days::integer as offer_days,

        ---------- what one more sale brings
        revenue_per_take::decimal(18, 4) as revenue_per_take,
        margin_per_take::decimal(18, 4) as margin_per_take,
        margin_basis,
        discount_share::double as discount_share,
        discount_per_take::decimal(18, 4) as discount_per_take,

        ---------- how many more sales
        take_rate,
        take_rate_basis,
        take_rate_low,
        take_rate_high,

        ---------- what the offer is worth
        expected_margin_per_target::decimal(18, 4) as expected_margin_per_target,
        (targets * expected_margin_per_target)::decimal(18, 4) as expected_margin,
        case
            when margin_per_take > discount_per_take
                then
                    discount_per_take
                    * would_have_bought_share
                    / (margin_per_take - discount_per_take)
        end::double as break_even_take_rate,

        ---------- dates
        mined_as_of

    from valued

)

select * from final
