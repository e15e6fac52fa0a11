with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

rule_items as (

    select * from {{ ref('int_rule_items') }}

),

item_values as (

    select * from {{ ref('int_item_values') }}

),

basket_items as (

    select basket_items.*
    from {{ ref('int_rule_basket_items') }} as basket_items
    inner join as_of_date
        on basket_items.order_date >= (as_of_date.as_of_date - interval 1 year)::date

),

rule_itemsets as (

    select
        list(key order by level, key) as items,
        list(level order by level, key) as item_levels,
        list(name order by level, key) as item_names

    from rule_items
    group by rank

),

-- rules of the same items, each time with another on the right, are one bundle
bundles as (

    select distinct * from rule_itemsets

),

numbered_bundles as (

    select
        *,
        (row_number() over (order by items, item_levels))::integer as bundle_number,
        len(items) as item_count

    from bundles

),

bundle_positions as (

    select
        bundle_number,
        unnest(item_levels) || ':' || unnest(items) as item,
        generate_subscripts(items, 1) as position

    from numbered_bundles

),

bundle_items as (

    select
        bundle_positions.*,
        item_values.revenue_per_basket,
        item_values.margin_per_basket,
        item_values.margin_basis

    from bundle_positions
    left join item_values on bundle_positions.item = item_values.item

),

baskets as (

    select
        basket_items.basket,
        bundle_positions.bundle_number,
        count(*) as item_count,
        sum(bundle_positions.position) as positions

    from basket_items
    inner join bundle_positions on basket_items.item = bundle_positions.item
    group by basket_items.basket, bundle_positions.bundle_number

),

-- the position that the others leave of 1 + 2 + ...: that of the missing item, 0 where none is
basket_counts as (

    select
        baskets.bundle_number,
        numbered_bundles.item_count * (numbered_bundles.item_count + 1) // 2 - baskets.positions
            as missing_position,
        count(*) as baskets

    from baskets
    inner join numbered_bundles on baskets.bundle_number = numbered_bundles.bundle_number
    where baskets.item_count >= numbered_bundles.item_count - 1
    group by baskets.bundle_number, missing_position

),

bundle_baskets as (

    select
        basket_counts.bundle_number,
        coalesce(sum(basket_counts.baskets) filter (where basket_counts.missing_position = 0), 0)
            as baskets_with_all,
        coalesce(sum(basket_counts.baskets) filter (where basket_counts.missing_position > 0), 0)
            as baskets_lacking_one,
        sum(basket_counts.baskets * bundle_items.margin_per_basket) as missing_margin

    from basket_counts
    left join bundle_items
        on
            basket_counts.bundle_number = bundle_items.bundle_number
            and basket_counts.missing_position = bundle_items.position
    group by basket_counts.bundle_number

),

-- a bundle with an item that was not sold for a year has no price
bundle_prices as (

    select
        bundle_number,
        sum(revenue_per_basket) as price,
        {{ sum_margin('margin_per_basket') }} as margin,
        {{ combined_margin_basis() }} as margin_basis

    from bundle_items
    group by bundle_number
    having count(*) = count(revenue_per_basket)

),

joined as (

    select
        numbered_bundles.*,
        coalesce(bundle_baskets.baskets_with_all, 0)::bigint as baskets_with_all,
        coalesce(bundle_baskets.baskets_lacking_one, 0)::bigint as baskets_lacking_one,
        bundle_prices.price,
        bundle_prices.margin,
        bundle_prices.margin_basis,
        {{ var('mining_bundle_discount_share') }} as discount_share,
        bundle_prices.price * {{ var('mining_bundle_discount_share') }} as discount,
        {{ var('mining_take_rate') }}::double as assumed_take_rate,
        case
            when bundle_prices.margin is not null then coalesce(bundle_baskets.missing_margin, 0)
        end as missing_margin

    from numbered_bundles
    left join bundle_baskets on numbered_bundles.bundle_number = bundle_baskets.bundle_number
    left join bundle_prices on numbered_bundles.bundle_number = bundle_prices.bundle_number

),

valued as (

    select
        *,
        discount * baskets_with_all as cost,
        missing_margin - discount * baskets_lacking_one as earned_if_all_took_it

    from joined

),

final as (

    select
        ---------- ids
        (
            row_number() over (
                order by
                    (assumed_take_rate * earned_if_all_took_it - cost)::decimal(18, 4)
                    desc nulls last,
                    bundle_number
            )
        )::integer as rank,
        items,
        item_levels,
        item_names,
        array_to_string(item_names, ' + ') as bundle,

        ---------- baskets of a year
        baskets_with_all::bigint as baskets_with_all,
        baskets_lacking_one::bigint as baskets_lacking_one,

        ---------- one package
        price::decimal(18, 4) as price,
        margin::decimal(18, 4) as margin,
        margin_basis,
        discount_share::double as discount_share,
        discount::decimal(18, 4) as discount,
        (price - discount)::decimal(18, 4) as package_price,
        (margin - discount)::decimal(18, 4) as package_margin,

        ---------- a year of it
        assumed_take_rate,
        cost::decimal(18, 4) as cost,
        (assumed_take_rate * earned_if_all_took_it)::decimal(18, 4) as earned,
        (assumed_take_rate * earned_if_all_took_it - cost)::decimal(18, 4) as expected_margin,

        ---------- when it pays
        case
            when earned_if_all_took_it > 0
                then (
                    {{ in_millionths('cost * baskets_lacking_one') }}
                    + {{ in_millionths('earned_if_all_took_it') }} - 1
                ) // {{ in_millionths('earned_if_all_took_it') }}
        end::bigint as extra_sales_to_break_even,
        (
            price - assumed_take_rate * missing_margin
            / nullif(baskets_with_all + assumed_take_rate * baskets_lacking_one, 0)
        )::decimal(18, 4) as lowest_price_that_pays

    from valued

)

select * from final
