-- How far the forecasts of the last part of the history were off, beside two naive ones.
with

customers as (

    select
        judged_customers.*,
        rfm_cell_forecasts.mean_purchase_days as rfm_cell_purchase_days

    from {{ ref('int_judged_customers') }} as judged_customers
    left join {{ ref('int_rfm_cell_forecasts') }} as rfm_cell_forecasts
        on judged_customers.customer_id = rfm_cell_forecasts.customer_id

),

-- equal customers share the middle of their ranks
ranked as (

    select
        *,
        rank() over (order by later_purchase_days)
        + (count(*) over (partition by later_purchase_days) - 1) / 2 as later_purchase_days_rank,
        rank() over (order by expected_purchases)
        + (count(*) over (partition by expected_purchases) - 1) / 2 as expected_purchases_rank,
        rank() over (order by last_period_purchase_days)
        + (count(*) over (partition by last_period_purchase_days) - 1)
        / 2 as last_period_purchase_days_rank,
        rank() over (order by rfm_cell_purchase_days)
        + (count(*) over (partition by rfm_cell_purchase_days) - 1)
        / 2 as rfm_cell_purchase_days_rank

    from customers

),

final as (

    select
        count(*)::double as customers,
        sum(later_purchase_days)::double as purchases,
        sum(expected_purchases) as purchases_expected,
        sum(last_period_purchase_days)::double as purchases_last_period,
        sum(rfm_cell_purchase_days) as purchases_rfm_cells,

        avg(abs(later_purchase_days - expected_purchases)) as mean_absolute_error,
        avg(abs(later_purchase_days - last_period_purchase_days))
            as mean_absolute_error_last_period,
        avg(abs(later_purchase_days - rfm_cell_purchase_days)) as mean_absolute_error_rfm_cells,

        avg(pow(later_purchase_days - expected_purchases, 2)) as mean_squared_error,
        avg(pow(later_purchase_days - last_period_purchase_days, 2))
            as mean_squared_error_last_period,
        avg(pow(later_purchase_days - rfm_cell_purchase_days, 2))
            as mean_squared_error_rfm_cells,

        -- not a number where one of the two does not vary
        case
            when
                least(stddev_pop(later_purchase_days_rank), stddev_pop(expected_purchases_rank)) > 0
                then corr(later_purchase_days_rank, expected_purchases_rank)
        end as rank_correlation,
        case
            when
                least(
                    stddev_pop(later_purchase_days_rank), stddev_pop(last_period_purchase_days_rank)
                )
                > 0
                then corr(later_purchase_days_rank, last_period_purchase_days_rank)
        end as rank_correlation_last_period,
        case
            when
                least(stddev_pop(later_purchase_days_rank), stddev_pop(rfm_cell_purchase_days_rank))
                > 0
                then corr(later_purchase_days_rank, rfm_cell_purchase_days_rank)
        end as rank_correlation_rfm_cells,

        avg((
            later_purchase_days between expected_purchases_low and expected_purchases_high
        )::integer) as coverage,

        sum(later_net_revenue) as net_revenue,
        sum(expected_net_revenue) as net_revenue_expected,
        avg(abs(later_net_revenue - expected_net_revenue)) as mean_absolute_error_net_revenue,
        avg((
            later_net_revenue between expected_net_revenue_low and expected_net_revenue_high
        )::integer) as coverage_net_revenue

    from ranked

)

select * from final
