{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('product_id', changed_members('products', 'product_id')) if is_affected_build() }}"
) }}
-- What each product costs from which day on, by what its source told last on that day. Before the
-- first telling the first cost holds, and a delivery that tells no cost changes nothing.
with products as (

    select * from {{ ref('stg_products') }}
    {%- if is_affected_build() %}
        where product_id in {{ changed_members('products', 'product_id') }}
    {%- endif %}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

told_costs as (

    select
        products.product_id,
        products.unit_cost,
        {{ day_told('products.updated_at') }} as told_on
    from products
    left join sources on products.source = sources.source
    where products.unit_cost is not null
    qualify {{ is_newest_version(['products.product_id', 'told_on'], 'products') }}

),

changes as (

    select
        *,
        lag(unit_cost) over (
            partition by product_id
            order by told_on
        ) as cost_before
    from told_costs

),

final as (

    select
        product_id,
        unit_cost,
        told_on,
        case when cost_before is null then date '1900-01-01' else told_on end as valid_from,
        count(*) over (partition by product_id) = 1 as is_only_cost
    from changes
    where cost_before is distinct from unit_cost

)

select * from final
