-- The months of new and old customers hold all that customers bought, once, and all that they cost.
with

months as (

    select
        coalesce(sum(purchases), 0) as purchases,
        coalesce(sum(net_revenue), 0) as net_revenue,
        coalesce(sum(cost_to_serve), 0) as cost_to_serve

    from {{ ref('new_and_old_customers') }}

),

customers as (

    select
        coalesce(sum(purchases), 0) as purchases,
        coalesce(sum(net_revenue), 0) as net_revenue

    from {{ ref('customers') }}
    where not is_prospect

),

costs as (

    select coalesce(sum(amount), 0) as cost_to_serve
    from {{ ref('int_customer_costs') }}
    where {{ is_person() }}

),

final as (

    select
        months.*,
        customers.purchases as purchases_of_customers,
        customers.net_revenue as revenue_of_customers,
        costs.cost_to_serve as costs

    from months
    cross join customers
    cross join costs
    where
        months.purchases <> customers.purchases
        or months.net_revenue <> customers.net_revenue
        or months.cost_to_serve <> costs.cost_to_serve

)

select * from final
