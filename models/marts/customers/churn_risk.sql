with

customers as (

    select * from {{ ref('customers') }}
    where not is_prospect

),

clv as (

    select * from {{ ref('clv') }}

),

-- what to bring up: what they soon need, else what is new to them
offers as (

    select
        customer_id,
        product_name,
        reason

    from {{ ref('recommendations') }}
    -- of a list that has stayed for days the first may be bought and gone
    qualify row_number() over (
        partition by customer_id
        order by case task when 'restock' then 1 else 2 end, rank
    ) = 1

),

valued as (

    select
        customers.customer_id,
        customers.status,
        customers.segment,
        customers.last_purchase_date,
        customers.recency_days,
        customers.median_gap_days,
        clv.next_purchase_date,
        clv.probability_alive,
        clv.is_drop_out_identified,
        clv.expected_margin_365_days_if_alive as margin_365_days_if_alive,
        (
            (1 - clv.probability_alive) * clv.expected_revenue_365_days_if_alive
        )::decimal(18, 4) as revenue_at_risk,
        -- who costs more than they bring is no loss
        case
            when clv.expected_margin_365_days_if_alive < 0 then 0
            else (1 - clv.probability_alive) * clv.expected_margin_365_days_if_alive
        end::decimal(18, 4) as margin_at_risk,
        clv.yearly_margin,
        clv.margin_basis,
        clv.why_no_prediction

    from customers
    inner join clv on customers.customer_id = clv.customer_id

),

final as (

    select
        ---------- ids
        (
            row_number() over (
                order by
                    valued.margin_at_risk desc nulls last,
                    valued.revenue_at_risk desc nulls last,
                    case when valued.status = 'active' then 2 else 1 end asc,
                    valued.yearly_margin desc nulls last,
                    valued.customer_id asc
            )
        )::integer as rank,
        valued.customer_id,

        ---------- gone?
        valued.status,
        valued.segment,
        valued.last_purchase_date,
        valued.recency_days,
        valued.median_gap_days,
        valued.next_purchase_date,
        1 - valued.probability_alive as probability_gone,
        valued.is_drop_out_identified,

        ---------- what is at stake
        valued.margin_365_days_if_alive,
        valued.margin_at_risk,
        valued.revenue_at_risk,
        valued.yearly_margin,
        valued.margin_basis,
        valued.why_no_prediction,

        ---------- what to bring up
        offers.product_name as offer,
        offers.reason as offer_reason

    from valued
    left join offers on valued.customer_id = offers.customer_id

)

select * from final
