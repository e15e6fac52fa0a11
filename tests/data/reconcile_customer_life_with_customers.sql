-- Tiers have each customer once, the last percent has all the profit, who began with something was
-- there in the month of it, and no row shows what few people did.
with

customers as (

    select * from {{ ref('customers') }}
    where not is_prospect

),

counts as (

    select
        (select count(*) from customers) as customers,
        (select count(*) from {{ ref('customer_tiers') }}) as customers_with_tiers,
        (select sum(realised_clv) from customers) as profit,
        (
            select profit from {{ ref('profit_concentration') }}
            where best_percent = 100
        ) as profit_of_all,
        (
            select count(*) from {{ ref('retention_by_origin') }}
            where
                active_customers > customers
                or (months_since = 0 and active_customers <> customers)
                or customers < {{ var('profile_minimum_customers') }}
        ) as wrong_origins

)

select * from counts
where
    customers <> customers_with_tiers
    or profit is distinct from profit_of_all
    or wrong_origins > 0
