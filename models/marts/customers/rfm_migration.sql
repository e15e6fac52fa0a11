with

rfm_monthly as (

    select * from {{ ref('rfm_monthly') }}

),

month_ends as (

    select distinct month_end
    from rfm_monthly

),

-- what a customer was at the end of the month before, where that was scored, too
before as (

    select
        last_day(rfm_monthly.month_end + 1) as month_end,
        rfm_monthly.customer_id,
        rfm_monthly.segment

    from rfm_monthly
    inner join month_ends on last_day(rfm_monthly.month_end + 1) = month_ends.month_end

),

after as (

    select * from rfm_monthly
    where last_day(month_end - to_months(1)) in (select month_end from month_ends)

),

moves as (

    select
        coalesce(after.month_end, before.month_end) as month_end,
        coalesce(before.segment, 'No purchase yet') as from_segment,
        coalesce(after.segment, 'Outside the window') as to_segment,
        count(*) as customers

    from before
    full outer join after
        on
            before.customer_id = after.customer_id
            and before.month_end = after.month_end
    group by 1, 2, 3

),

final as (

    select
        ---------- ids
        month_end::date as month_end,
        from_segment,
        to_segment,

        ---------- numerics
        customers::integer as customers,
        (customers / sum(customers) over (partition by month_end, from_segment))::double
            as share_of_from_segment

    from moves

)

select * from final
