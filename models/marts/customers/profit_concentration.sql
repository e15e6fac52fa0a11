with

customers as (

    select
        customer_id,
        net_revenue,
        realised_clv as profit,
        margin_basis

    from {{ ref('clv') }}

),

the_whole as (

    select
        count(profit) as customers,
        sum(profit) as profit,
        sum(net_revenue) as net_revenue,
        count(*) filter (where profit is null) as customers_left_out,
        sum(net_revenue) filter (where profit is null) as revenue_left_out,
        {{ combined_margin_basis("nullif(margin_basis, 'none')") }} as margin_basis

    from customers

),

ranked as (

    select
        *,
        row_number() over (order by profit desc, customer_id asc) as place

    from customers
    where profit is not null

),

-- the best customer is of the first percent, however few there are
by_percent as (

    select
        ((ranked.place - 1) * 100) // the_whole.customers + 1 as percent,
        count(*) as customers,
        sum(ranked.profit) as profit,
        sum(ranked.net_revenue) as net_revenue,
        min(ranked.profit) as least_profit

    from ranked
    cross join the_whole
    group by percent

),

percents as (

    select unnest(range(1, 101)) as percent
    from the_whole
    where customers > 0

),

cumulative as (

    select
        percents.percent,
        sum(by_percent.customers) over so_far as customers,
        sum(by_percent.profit) over so_far as profit,
        sum(by_percent.net_revenue) over so_far as net_revenue,
        min(by_percent.least_profit) over so_far as least_profit

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
        cumulative.percent::integer as best_percent,

        ---------- how many
        cumulative.customers::integer as customers,

        ---------- what they bring
        cumulative.profit::decimal(18, 4) as profit,
        (cumulative.profit / nullif(greatest(the_whole.profit, 0), 0))::double as profit_share,
        cumulative.least_profit::decimal(18, 4) as least_profit,
        the_whole.margin_basis,
        cumulative.net_revenue::decimal(18, 4) as net_revenue,
        (cumulative.net_revenue / nullif(greatest(the_whole.net_revenue, 0), 0))::double
            as revenue_share,

        ---------- who is not in it
        the_whole.customers_left_out::integer as customers_left_out,
        coalesce(the_whole.revenue_left_out, 0)::decimal(18, 4) as revenue_left_out

    from cumulative
    cross join the_whole

)

select * from final
