-- Every day from the first rate to the last order, days without a rate of
-- their own filled with the last earlier one.
with exchange_rates as (

    select * from {{ ref('stg_exchange_rates') }}

),

order_lines as (

    select * from {{ ref('stg_order_lines') }}

),

-- Rates are common to all sources; where two state one, the newest counts.
newest_rates as (

    select
        currency,
        on_date,
        rate
    from exchange_rates
    qualify {{ is_newest_version(['currency', 'on_date']) }}

),

last_order as (

    select max(ordered_at_local)::date as last_date
    from order_lines

),

spans as (

    select
        newest_rates.currency,
        newest_rates.on_date,
        newest_rates.rate,
        coalesce(
            lead(newest_rates.on_date) over (
                partition by newest_rates.currency
                order by newest_rates.on_date
            ) - 1,
            greatest(newest_rates.on_date, last_order.last_date)
        ) as until_date
    from newest_rates
    cross join last_order

),

final as (

    select
        currency,
        unnest(generate_series(on_date, until_date, interval 1 day))::date
            as on_date,
        rate
    from spans

)

select * from final
