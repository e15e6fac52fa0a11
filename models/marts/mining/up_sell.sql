with pairs as (

    select * from {{ source('mining', 'up_sell') }}
    where is_published

),

products as (

    select
        product_id,
        coalesce(name, product_id) as name,
        coalesce(product_type, category, department) as line

    from {{ ref('dim_products') }}

),

product_values as (

    select * from {{ ref('int_product_values') }}

),

final as (

    select
        ---------- ids
        (row_number() over (order by pairs.rank))::integer as rank,
        pairs.first_item as product_id,
        products.name as product_name,
        pairs.next_item as dearer_product_id,
        dearer_products.name as dearer_product_name,
        products.line,

        ---------- money
        own_values.net_revenue_per_unit as price,
        dearer_values.net_revenue_per_unit as dearer_price,
        (
            dearer_values.net_revenue_per_unit - own_values.net_revenue_per_unit
        )::decimal(18, 4) as extra_revenue,
        (
            dearer_values.margin_per_unit - own_values.margin_per_unit
        )::decimal(18, 4) as extra_margin,
        case
            when 'none' in (own_values.margin_basis, dearer_values.margin_basis) then 'none'
            when own_values.margin_basis = dearer_values.margin_basis then own_values.margin_basis
            else 'mixed'
        end as margin_basis,

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

        ---------- who stayed with it
        pairs.again_customers,
        pairs.switched_customers,
        pairs.switched_share,
        pairs.switched_share_low,
        pairs.switched_share_high,

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

    from pairs
    inner join products on pairs.first_item = products.product_id
    inner join products as dearer_products on pairs.next_item = dearer_products.product_id
    inner join product_values as own_values on pairs.first_item = own_values.product_id
    inner join product_values as dearer_values on pairs.next_item = dearer_values.product_id
    -- prices may have turned since pairs that stayed were mined
    where dearer_values.net_revenue_per_unit > own_values.net_revenue_per_unit

)

select * from final
