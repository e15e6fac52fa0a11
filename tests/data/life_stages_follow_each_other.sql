-- A customer's stages begin with the first purchase, follow each other without gap or overlap, and
-- the last of them is that of today, as the customer's status.
with

stages as (

    select
        *,
        lead(from_date) over (partition by customer_id order by from_date) as next_from_date,
        lead(stage) over (partition by customer_id order by from_date) as next_stage,
        row_number() over (partition by customer_id order by from_date) as place

    from {{ ref('customer_life_stages') }}

),

customers as (

    select
        customer_id,
        first_purchase_date,
        status

    from {{ ref('customers') }}
    where not is_prospect

),

final as (

    select
        coalesce(stages.customer_id, customers.customer_id) as customer_id,
        stages.stage,
        stages.from_date,
        stages.to_date,
        stages.next_from_date

    from stages
    full join customers on stages.customer_id = customers.customer_id
    where
        stages.customer_id is null
        or customers.customer_id is null
        or (stages.place = 1 and stages.from_date <> customers.first_purchase_date)
        or stages.to_date is distinct from stages.next_from_date
        or stages.is_current <> (stages.next_from_date is null)
        or stages.days < 1
        or stages.stage = stages.next_stage
        or (
            stages.is_current
            and customers.status
            <> if(stages.stage in ('slipping', 'lapsed'), stages.stage, 'active')
        )

)

select * from final
