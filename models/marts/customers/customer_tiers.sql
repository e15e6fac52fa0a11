{%- set sums = [('revenue', 'mean_yearly_revenue'), ('profit', 'mean_yearly_profit')] -%}
with

customers as (

    select
        customer_id,
        (net_revenue / greatest(1, tenure_years))::decimal(18, 4) as mean_yearly_revenue,
        (yearly_margin - yearly_cost_to_serve)::decimal(18, 4) as mean_yearly_profit,
        margin_basis

    from {{ ref('clv') }}

),

relationship_levels as (

    select * from {{ ref('relationship_levels') }}

),

contacts as (

    select * from {{ ref('int_customer_contacts') }}

),

-- where no source tells of contacts, nobody knows what is practised
sources_of_contacts as (

    select count(*) > 0 as are_there
    from {{ ref('stg_interactions') }}

),

-- by itself: a window over all that keeps only some rows looks at all of them for each
the_whole as (

    select
        count(*) as customer_count,
        count(*) filter (where mean_yearly_profit > 0) as customers_with_profit,
        -- of all that customers bring; who costs more than they bring is not taken off
        coalesce(sum(greatest(mean_yearly_revenue, 0)), 0) as all_revenue,
        coalesce(sum(greatest(mean_yearly_profit, 0)), 0) as all_profit

    from customers

),

ranked as (

    select
        customers.*,
        the_whole.*,
        {% for name, amount in sums -%}
            row_number() over (order by {{ amount }} desc nulls last, customer_id asc)
                as {{ name }}_rank,
            sum(greatest({{ amount }}, 0)) over (
                order by {{ amount }} desc nulls last, customer_id asc
                rows between unbounded preceding and current row
            ) as {{ name }}_so_far,
        {% endfor %}
        -- beside the mean of those with a profit, in exact decimals
        case
            when customers.mean_yearly_profit is null then null
            when customers.mean_yearly_profit <= 0 then 'low'
            when
                customers.mean_yearly_profit * (2 * the_whole.customers_with_profit)
                < the_whole.all_profit
                then 'low'
            when
                customers.mean_yearly_profit * the_whole.customers_with_profit
                < 2 * the_whole.all_profit
                then 'medium'
            else 'high'
        end as profit_level

    from customers
    cross join the_whole

),

counted as (

    select
        *,
        count(*) over (partition by profit_level) as level_customers

    from ranked

),

levelled as (

    select
        *,
        case
            when profit_level is null then null
            when level_customers <= 20 or 20 * level_customers < customer_count then 'few'
            when 20 * level_customers <= 3 * customer_count then 'medium'
            else 'many'
        end as profit_level_size

    from counted

),

final as (

    select
        ---------- ids
        levelled.customer_id,

        ---------- spending power
        levelled.mean_yearly_revenue,
        levelled.revenue_rank::integer as revenue_rank,
        (greatest(levelled.mean_yearly_revenue, 0) / nullif(levelled.all_revenue, 0))::double
            as revenue_share,
        {{ tier('mean_yearly_revenue', 'revenue_so_far', 'all_revenue') }} as revenue_tier,

        ---------- profit
        levelled.mean_yearly_profit,
        case when levelled.mean_yearly_profit is not null then levelled.profit_rank end::integer
            as profit_rank,
        case
            when levelled.mean_yearly_profit is not null
                then greatest(levelled.mean_yearly_profit, 0) / nullif(levelled.all_profit, 0)
        end::double as profit_share,
        {{ tier('mean_yearly_profit', 'profit_so_far', 'all_profit') }} as profit_tier,
        levelled.margin_basis,

        ---------- relationship
        levelled.profit_level,
        levelled.profit_level_size,
        relationship_levels.relationship_level as suggested_relationship_level,
        case when sources_of_contacts.are_there then coalesce(contacts.firm_contacts, 0) end
        ::integer as firm_contacts,
        case
            when not sources_of_contacts.are_there then null
            when contacts.firm_contacts >= 12 then 'partnership'
            when contacts.firm_contacts >= 2 then 'proactive'
            when contacts.firm_contacts = 1 then 'accountable'
            when contacts.answered_contacts > 0 then 'reactive'
            else 'basic'
        end as practised_relationship_level

    from levelled
    cross join sources_of_contacts
    left join contacts on levelled.customer_id = contacts.customer_id
    left join relationship_levels
        on
            levelled.profit_level_size = relationship_levels.profit_level_size
            and levelled.profit_level = relationship_levels.profit_level

)

select * from final
