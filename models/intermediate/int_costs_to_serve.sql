{%- set reporting_currency = var('reporting_currency') -%}
-- Each cost of serving a customer that a source states: contacts, costs booked on a customer,
-- compensation.
with

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
    qualify {{ is_newest_version(['cost_id']) }}

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
    qualify {{ is_newest_version(['interactions.interaction_id'], 'interactions') }}

),

all_costs as (

    select * from campaign_contacts
    union all
    select * from booked_costs
    union all
    select * from compensations

),

stated_costs as (

    select * from all_costs
    where
        customer_id is not null
        and amount is not null

),

{%- if reporting_currency %}

    costs_with_rate as (

        select
            stated_costs.*,
            case
                when sources.currency = '{{ reporting_currency }}' then 1::decimal(18, 8)
                else exchange_rates.rate
            end as exchange_rate

        from stated_costs
        left join sources on stated_costs.source = sources.source
        -- costs may be dated after the last order, where the daily rates end
        asof left join exchange_rates
            on
                sources.currency = exchange_rates.currency
                and stated_costs.occurred_date >= exchange_rates.on_date

    ),
{%- else %}

    costs_with_rate as (

        select * from stated_costs

    ),
{%- endif %}

final as (

    select
        ---------- ids
        customer_id,
        source,

        ---------- texts
        coalesce(kind, 'other') as kind,

        ---------- dates
        occurred_date,

        ---------- numerics
        amount as stated_amount,
        {{ to_reporting_currency('amount') }} as amount

    from costs_with_rate

)

select * from final
