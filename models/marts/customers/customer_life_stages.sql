-- Days are counted by their evening, as everything is: recency is 1 on the day of a purchase.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

active_days as (

    select active_days::integer as active_days
    from {{ ref('int_active_days') }}

),

customers as (

    select * from {{ ref('int_customer_totals') }}

),

purchase_days as (

    select
        purchase_days.customer_id,
        purchase_days.order_date,
        coalesce(purchase_days.gap_days > active_days.active_days, true) as begins_stretch,
        coalesce(purchase_days.gap_days > 2 * active_days.active_days, false) as is_after_lapse

    from {{ ref('int_customer_purchase_days') }} as purchase_days
    cross join active_days

),

-- purchase days that follow each other before the customer slips
numbered as (

    select
        *,
        count(*) filter (where begins_stretch) over (
            partition by customer_id
            order by order_date
            rows between unbounded preceding and current row
        ) as stretch

    from purchase_days

),

stretches as (

    select
        numbered.customer_id,
        numbered.stretch,
        bool_or(numbered.is_after_lapse) as is_won_back,
        min(numbered.order_date) as from_date,
        (max(numbered.order_date) + max(active_days.active_days))::date as slips_on,
        (max(numbered.order_date) + 2 * max(active_days.active_days))::date as lapses_on,
        (min(numbered.order_date) + max(active_days.active_days))::date as is_old_on

    from numbered
    cross join active_days
    group by numbered.customer_id, numbered.stretch

),

followed as (

    select
        stretches.*,
        customers.is_first_purchase_observed,
        lead(stretches.from_date) over (
            partition by stretches.customer_id order by stretches.stretch
        ) as returns_on

    from stretches
    inner join customers on stretches.customer_id = customers.customer_id

),

stages as (

    select
        customer_id,
        if(is_first_purchase_observed, 'new', 'new or repeat') as stage,
        from_date,
        is_old_on as to_date
    from followed
    where stretch = 1

    union all

    select
        customer_id,
        'repeat' as stage,
        is_old_on as from_date,
        slips_on as to_date
    from followed
    where
        stretch = 1
        and is_old_on < slips_on

    union all

    select
        customer_id,
        if(is_won_back, 'won back', 'repeat') as stage,
        from_date,
        slips_on as to_date
    from followed
    where stretch > 1

    union all

    select
        customer_id,
        'slipping' as stage,
        slips_on as from_date,
        least(lapses_on, returns_on) as to_date
    from followed

    union all

    select
        customer_id,
        'lapsed' as stage,
        lapses_on as from_date,
        returns_on as to_date
    from followed
    where returns_on is null or lapses_on < returns_on

),

final as (

    select
        ---------- ids
        stages.customer_id,

        ---------- texts
        stages.stage,

        ---------- dates
        stages.from_date,
        case when stages.to_date <= as_of_date.last_date then stages.to_date end as to_date,

        ---------- numerics
        (
            least(coalesce(stages.to_date, as_of_date.as_of_date), as_of_date.as_of_date)
            - stages.from_date
        )::integer as days,

        ---------- flags
        stages.to_date is null or stages.to_date > as_of_date.last_date as is_current

    from stages
    cross join as_of_date
    where stages.from_date <= as_of_date.last_date

)

select * from final
