-- What serving a customer has cost, as far as sources say:
-- contacts, costs booked on a customer, compensation.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

campaign_contacts as (

    select
        customer_id,
        contacted_date as occurred_date,
        'campaign' as kind,
        cost as amount

    from {{ ref('fct_campaign_contacts') }}

),

booked_costs as (

    select
        customer_id,
        occurred_on as occurred_date,
        kind,
        amount

    from {{ ref('stg_costs') }}

),

compensations as (

    select
        customer_id,
        opened_at::date as occurred_date,
        'compensation' as kind,
        compensation_amount as amount

    from {{ ref('stg_interactions') }}

),

all_costs as (

    select * from campaign_contacts
    union all
    select * from booked_costs
    union all
    select * from compensations

),

final as (

    select
        ---------- ids
        all_costs.customer_id,

        ---------- dates
        all_costs.occurred_date,

        ---------- numerics
        coalesce(all_costs.kind, 'other') as kind,
        sum(all_costs.amount)::decimal(18, 4) as amount

    from all_costs
    inner join as_of_date on all_costs.occurred_date < as_of_date.as_of_date
    where
        all_costs.customer_id is not null
        and all_costs.amount is not null
    group by all_costs.customer_id, all_costs.occurred_date, coalesce(all_costs.kind, 'other')

)

select * from final
