{%- set reporting_currency = var('reporting_currency') -%}
-- What serving a customer has cost, as far as sources say:
-- contacts, costs booked on a customer, compensation.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

exchange_rates as (

    select * from {{ ref('int_daily_exchange_rates') }}

),

campaign_contacts as (

    select
        customer_id,
        source,
        contacted_date as occurred_date,
        'campaign' as kind,
        cost as amount

    from {{ ref('fct_campaign_contacts') }}

),

booked_costs as (

    select
        customer_id,
        source,
        occurred_on as occurred_date,
        kind,
        amount

    from {{ ref('stg_costs') }}
    -- delivered again, a cost counts once, as last told
    qualify row_number() over (
        partition by cost_id
        order by updated_at desc, load_id desc, source_line desc
    ) = 1

),

compensations as (

    select
        interactions.customer_id,
        interactions.source,
        timezone(coalesce(sources.time_zone, 'UTC'), interactions.opened_at)::date
            as occurred_date,
        'compensation' as kind,
        interactions.compensation_amount as amount

    from {{ ref('stg_interactions') }} as interactions
    left join sources on interactions.source = sources.source
    -- delivered again, a compensation counts once, as last told
    qualify row_number() over (
        partition by interactions.interaction_id
        order by
            interactions.updated_at desc,
            interactions.load_id desc,
            interactions.source_line desc
    ) = 1

),

all_costs as (

    select * from campaign_contacts
    union all
    select * from booked_costs
    union all
    select * from compensations

),

{%- if reporting_currency %}

    costs_with_rate as (

        select
            all_costs.*,
            case
                when sources.currency = '{{ reporting_currency }}' then 1::decimal(18, 8)
                else exchange_rates.rate
            end as exchange_rate

        from all_costs
        left join sources on all_costs.source = sources.source
        -- costs may be dated after the last order, where the daily rates end
        asof left join exchange_rates
            on
                sources.currency = exchange_rates.currency
                and all_costs.occurred_date >= exchange_rates.on_date

    ),
{%- else %}

    costs_with_rate as (

        select * from all_costs

    ),
{%- endif %}

converted_costs as (

    select
        customer_id,
        occurred_date,
        coalesce(kind, 'other') as kind,
        {{ to_reporting_currency('amount') }} as amount

    from costs_with_rate

),

final as (

    select
        ---------- ids
        converted_costs.customer_id,

        ---------- dates
        converted_costs.occurred_date,

        ---------- numerics
        converted_costs.kind,
        sum(converted_costs.amount)::decimal(18, 4) as amount

    from converted_costs
    inner join as_of_date on converted_costs.occurred_date < as_of_date.as_of_date
    where
        converted_costs.customer_id is not null
        and converted_costs.amount is not null
    group by converted_costs.customer_id, converted_costs.occurred_date, converted_costs.kind

)

select * from final
