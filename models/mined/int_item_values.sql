with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

basket_items as (

    select * from {{ ref('int_rule_basket_items') }}

),

final as (

    select
        basket_items.item,
        count(*) as baskets,
        (sum(basket_items.net_revenue) / count(*))::decimal(18, 4) as revenue_per_basket,
        (
            {{ sum_margin('basket_items.margin', 'basket_items.margin_basis') }} / count(*)
        )::decimal(18, 4) as margin_per_basket,
        {{ combined_margin_basis('basket_items.margin_basis') }} as margin_basis

    from basket_items
    inner join as_of_date
        on basket_items.order_date >= (as_of_date.as_of_date - interval 1 year)::date
    group by basket_items.item

)

select * from final
