-- One population: every customer with a purchase stands in marts.customers, clv and about;
-- in rfm too, if its window is all history.
with

customers as (

    select * from {{ ref('customers') }}
    where not is_prospect

),

counts as (

    select
        (select count(*) from customers) as customers,
        (select count(*) from {{ ref('clv') }}) as clv,
        (select count(*) from {{ ref('rfm') }}) as rfm,
        (
            select count(*) from customers
            where rfm_total is not null
        ) as scored_customers,
        (select coalesce(sum(customers), 0) from {{ ref('about') }}) as about

),

final as (

    select *
    from counts
    where
        customers <> clv
        or rfm <> scored_customers
        or customers > about
        or (customers <> rfm and {{ var('rfm_window_days') is none }})

)

select * from final
