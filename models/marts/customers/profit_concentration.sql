with

customers as (

    select
        customer_id,
        net_revenue,
        realised_clv as profit

    from {{ ref('clv') }}
    where realised_clv is not null

),

ranked as (

    select
        *,
        row_number() over (order by profit desc, customer_id asc) as place,
        count(*) over () as customers

    from customers

),

-- the best customer is of the first percent, however few there are
by_percent as (

    select
        ((place - 1) * 100) // customers + 1 as percent,
        count(*) as customers,
        sum(profit) as profit,
        sum(net_revenue) as net_revenue,
        min(profit) as least_profit

    from ranked
    group by percent

),

percents as (

    select unnest(range(1, 101)) as percent
    where exists (select * from customers)

),

cumulative as (

    select
        percents.percent,
        sum(by_percent.customers) over so_far as customers,
        sum(by_percent.profit) over so_far as profit,
        sum(by_percent.net_revenue) over so_far as net_revenue,
        min(by_percent.least_profit) over so_far as least_profit,
        greatest(sum(by_percent.profit) over (), 0) as all_profit,
        greatest(sum(by_percent.net_revenue) over (), 0) as all_revenue

    from percents
    left join by_percent on percents.percent = by_percent.percent
    window so_far as (
        order by percents.percent
        rows between unbounded preceding and current row
    )

),

final as (

    select
        ---------- ids
        percent::integer as best_percent,

        ---------- how many
        customers::integer as customers,

        ---------- what they bring
        profit::decimal(18, 4) as profit,
        (profit / nullif(all_profit, 0))::double as profit_share,
        net_revenue::decimal(18, 4) as net_revenue,
        (net_revenue / nullif(all_revenue, 0))::double as revenue_share,
        least_profit::decimal(18, 4) as least_profit

    from cumulative

)

select * from final
