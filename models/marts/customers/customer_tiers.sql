{%- set sums = [('revenue', 'yearly_revenue'), ('profit', 'yearly_profit')] -%}
with

customers as (

    select
        clv.customer_id,
        customers.segment,
        (clv.net_revenue / greatest(1, clv.tenure_years))::decimal(18, 4) as yearly_revenue,
        clv.yearly_margin,
        (clv.yearly_margin - clv.yearly_cost_to_serve)::decimal(18, 4) as yearly_profit,
        clv.margin_basis

    from {{ ref('clv') }} as clv
    inner join {{ ref('customers') }} as customers on clv.customer_id = customers.customer_id

),

relationship_levels as (

    select * from {{ ref('relationship_levels') }}

),

ranked as (

    select
        *,
        {% for name, amount in sums -%}
            row_number() over (order by {{ amount }} desc nulls last, customer_id asc)
                as {{ name }}_rank,
            -- of all that customers bring; who costs more than they bring is not taken off
            sum(greatest({{ amount }}, 0)) over () as all_{{ name }},
            sum(greatest({{ amount }}, 0)) over (
                order by {{ amount }} desc nulls last, customer_id asc
                rows between unbounded preceding and current row
            ) as {{ name }}_so_far,
        {% endfor %}
        count(*) over (partition by segment) as segment_customers,
        count(*) over () as customers,
        count(yearly_margin) over () as known_margins,
        sum(yearly_margin) over () as all_yearly_margin

    from customers

),

levelled as (

    select
        *,
        case
            when segment is null then null
            when 20 * segment_customers < customers then 'few'
            when 20 * segment_customers <= 3 * customers then 'medium'
            else 'many'
        end as segment_size,
        -- beside the mean of all, in exact decimals
        case
            when yearly_margin is null then null
            when yearly_margin <= 0 or yearly_margin * (2 * known_margins) < all_yearly_margin
                then 'low'
            when yearly_margin * known_margins < 2 * all_yearly_margin then 'medium'
            else 'high'
        end as margin_level

    from ranked

),

final as (

    select
        ---------- ids
        levelled.customer_id,

        ---------- spending power
        levelled.yearly_revenue,
        levelled.revenue_rank::integer as revenue_rank,
        (greatest(levelled.yearly_revenue, 0) / nullif(levelled.all_revenue, 0))::double
            as revenue_share,
        {{ tier('yearly_revenue', 'revenue_so_far', 'all_revenue') }} as revenue_tier,

        ---------- profit
        levelled.yearly_profit,
        case when levelled.yearly_profit is not null then levelled.profit_rank end::integer
            as profit_rank,
        case
            when levelled.yearly_profit is not null
                then greatest(levelled.yearly_profit, 0) / nullif(levelled.all_profit, 0)
        end::double as profit_share,
        {{ tier('yearly_profit', 'profit_so_far', 'all_profit') }} as profit_tier,
        levelled.margin_basis,

        ---------- relationship
        levelled.segment,
        levelled.segment_size,
        levelled.margin_level,
        relationship_levels.relationship_level as suggested_relationship_level

    from levelled
    left join relationship_levels
        on
            levelled.segment_size = relationship_levels.segment_size
            and levelled.margin_level = relationship_levels.margin_level

)

select * from final
