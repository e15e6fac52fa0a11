{#- fewer held-out people tell nothing: of 100 the share that buys is known to some ten points -#}
{%- set minimum_held_out = 100 -%}
-- One row.
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

-- the campaigns that are over
campaigns as (

    select campaigns.*
    from {{ ref('dim_campaigns') }} as campaigns
    inner join as_of_date on campaigns.ends_on < as_of_date.as_of_date
    where campaigns.starts_on <= campaigns.ends_on

),

purchases as (

    select * from {{ ref('int_counted_orders') }}
    where
        is_purchase
        and {{ is_person() }}

),

-- one contact reaches
chosen_people as (

    select
        campaigns.campaign_id,
        campaigns.starts_on,
        campaigns.ends_on,
        contacts.customer_id,
        bool_and(contacts.is_holdout) as is_held_out

    from {{ ref('fct_campaign_contacts') }} as contacts
    inner join campaigns on contacts.campaign_id = campaigns.campaign_id
    where {{ is_person('contacts.customer_id') }}
    group by
        campaigns.campaign_id, campaigns.starts_on, campaigns.ends_on, contacts.customer_id

),

-- by campaign, since who is chosen differs from one to the next
campaign_counts as (

    select
        chosen_people.campaign_id,
        count(distinct chosen_people.customer_id) filter (where not is_held_out)
            as reached,
        count(distinct chosen_people.customer_id) filter (where is_held_out)
            as held_out,
        count(distinct purchases.customer_id) filter (where not is_held_out)
            as reached_buyers,
        count(distinct purchases.customer_id) filter (where is_held_out)
            as held_out_buyers

    from chosen_people
    left join purchases
        on
            chosen_people.customer_id = purchases.customer_id
            and purchases.order_date between chosen_people.starts_on and chosen_people.ends_on
    group by chosen_people.campaign_id

),

-- Variances p (1 - p) / n with one more who buys and one more who does not in p (after Agresti and
-- Caffo 2000): of few people all or none often buy, and p (1 - p) would be 0.
campaign_effects as (

    select
        *,
        held_out_buyers / held_out as held_out_share,
        (reached_buyers + 1) * (reached - reached_buyers + 1) / pow(reached + 2, 2) / reached
            as reached_variance,
        (held_out_buyers + 1) * (held_out - held_out_buyers + 1) / pow(held_out + 2, 2) / held_out
            as held_out_variance

    from campaign_counts
    where
        reached > 0
        and held_out > 0

),

pooled as (

    select
        count(*) as campaigns,
        coalesce(sum(reached), 0) as reached,
        coalesce(sum(held_out), 0) as held_out,
        -- fsum: the same to the last digit, in whatever order campaigns are added up
        fsum(reached_buyers - reached * held_out_share) / sum(reached) as difference,
        sqrt(fsum(reached * reached * (reached_variance + held_out_variance))) / sum(reached)
            as standard_error

    from campaign_effects

),

measured as (

    select
        *,
        held_out >= {{ minimum_held_out }} as is_measured
    from pooled

),

final as (

    select
        ---------- the rate
        case
            when is_measured then greatest(difference, 0)
            else {{ var('mining_take_rate') }}
        end::double as take_rate,
        if(is_measured, 'measured_any_purchase', 'assumed') as take_rate_basis,
        case when is_measured then difference - {{ z95() }} * standard_error end::double
            as take_rate_low,
        case when is_measured then difference + {{ z95() }} * standard_error end::double
            as take_rate_high,

        ---------- what it rests on
        campaigns,
        reached::bigint as reached,
        held_out::bigint as held_out

    from measured

)

select * from final
