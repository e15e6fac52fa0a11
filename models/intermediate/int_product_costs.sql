-- What each product costs from which day on, by what its source told last. Before the first telling
-- the first one holds, and a delivery that tells no cost does not change it.
with product_versions as (

    select * from {{ ref('dim_products_history') }}
    where unit_cost is not null

),

costs_of_days as (

    select
        product_id,
        unit_cost,
        valid_from::date as valid_from
    from product_versions
    qualify
        row_number() over (
            partition by product_id, valid_from::date
            order by valid_from desc
        ) = 1

),

told_costs as (

    select
        *,
        lag(unit_cost) over (
            partition by product_id
            order by valid_from
        ) as cost_before
    from costs_of_days

),

final as (

    select
        product_id,
        unit_cost,
        case
            when cost_before is null then date '1900-01-01'
            else valid_from
        end as valid_from,
        count(*) over (partition by product_id) = 1 as is_only_cost
    from told_costs
    where cost_before is distinct from unit_cost

)

select * from final
