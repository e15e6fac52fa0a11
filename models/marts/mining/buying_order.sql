with pairs as (

    select * from {{ source('mining', 'buying_order') }}
    where is_published

),

products as (

    select * from {{ ref('dim_products') }}

),

-- an item is <level>:<key>
keys as (

    select
        *,
        split_part(first_item, ':', 1) as first_level,
        substr(first_item, strpos(first_item, ':') + 1) as first_key,
        split_part(next_item, ':', 1) as next_level,
        substr(next_item, strpos(next_item, ':') + 1) as next_key

    from pairs

),

final as (

    select
        ---------- ids
        (row_number() over (order by pairs.rank))::integer as rank,
        pairs.first_key as first_item,
        pairs.first_level,
        coalesce(first_products.name, pairs.first_key) as first_name,
        pairs.next_key as next_item,
        pairs.next_level,
        coalesce(next_products.name, pairs.next_key) as next_name,

        ---------- what follows
        pairs.window_days,
        pairs.owners,
        pairs.customers,
        pairs.followed_customers,
        pairs.share_of_owners,
        pairs.followed_share,
        pairs.followed_share_low,
        pairs.followed_share_high,
        pairs.expected_share,
        pairs.lift,
        pairs.z_score,
        pairs.holdout_owners,
        pairs.holdout_customers,
        pairs.holdout_followed_customers,
        pairs.holdout_share_of_owners,
        pairs.holdout_followed_share,
        pairs.holdout_followed_share_low,
        pairs.holdout_followed_share_high,
        pairs.holdout_expected_share,
        pairs.holdout_lift,
        pairs.p_value,
        pairs.q_value,

        ---------- in which order, after how long
        pairs.both_customers,
        pairs.in_order_customers,
        pairs.order_ratio,
        pairs.order_p_value,
        pairs.is_in_order,
        pairs.longest_wait_days,
        pairs.first_quartile_days,
        pairs.median_days,
        pairs.third_quartile_days,

        ---------- dates
        pairs.mined_as_of

    from keys as pairs
    left join products as first_products
        on
            pairs.first_level = 'product'
            and pairs.first_key = first_products.product_id
    left join products as next_products
        on
            pairs.next_level = 'product'
            and pairs.next_key = next_products.product_id

)

select * from final
