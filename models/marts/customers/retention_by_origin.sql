-- As cohort_retention, of customers who came by the same way, of all months together.
with

as_of_date as (

    select
        as_of_date,
        date_trunc('month', as_of_date)::date as this_month

    from {{ ref('int_as_of_date') }}

),

-- whose first month is over
customers as (

    select
        totals.customer_id,
        totals.first_purchase_date,
        totals.first_purchase_month,
        dim_customers.acquisition_channel,
        date_diff('month', totals.first_purchase_month, as_of_date.this_month) as months_over

    from {{ ref('int_customer_totals') }} as totals
    inner join {{ ref('dim_customers') }} as dim_customers
        on totals.customer_id = dim_customers.customer_id
    inner join as_of_date on totals.first_purchase_month < as_of_date.this_month
    where totals.is_first_purchase_observed

),

first_orders as (

    select
        orders.order_id,
        orders.customer_id,
        orders.channel

    from {{ ref('int_counted_orders') }} as orders
    inner join customers
        on
            orders.customer_id = customers.customer_id
            and orders.order_date = customers.first_purchase_date
    where orders.is_purchase

),

products as (

    select
        mined_products.product_id,
        mined_products.category,
        dim_products.name

    from {{ ref('int_mined_products') }} as mined_products
    inner join {{ ref('dim_products') }} as dim_products
        on mined_products.product_id = dim_products.product_id
    where mined_products.line_kind = 'merchandise'

),

first_products as (

    select distinct
        first_orders.customer_id,
        products.product_id,
        products.category,
        products.name

    from {{ ref('int_counted_order_lines') }} as order_lines
    inner join first_orders on order_lines.order_id = first_orders.order_id
    inner join products on order_lines.product_id = products.product_id
    where
        order_lines.line_kind = 'merchandise'
        and {{ is_sold() }}

),

origins as (

    select
        customer_id,
        'acquisition channel' as origin_kind,
        acquisition_channel as origin,
        acquisition_channel as origin_name
    from customers
    where acquisition_channel is not null

    union all

    select distinct
        customer_id,
        'channel' as origin_kind,
        channel as origin,
        channel as origin_name
    from first_orders
    where channel <> 'unknown'

    union all

    select distinct
        customer_id,
        'category' as origin_kind,
        category as origin,
        category as origin_name
    from first_products
    where category is not null

    union all

    select
        customer_id,
        'product' as origin_kind,
        product_id as origin,
        coalesce(name, product_id) as origin_name
    from first_products

),

-- what few began with says little, and would show what single people do
origins_of_many as (

    select
        origin_kind,
        origin,
        max(origin_name) as origin_name

    from origins
    group by origin_kind, origin
    having count(*) >= {{ var('profile_minimum_customers') }}
    qualify
        row_number() over (partition by origin_kind order by count(*) desc, origin asc)
        <= 200

),

members as (

    select
        origins.origin_kind,
        origins.origin,
        origins.customer_id

    from origins
    inner join origins_of_many
        on
            origins.origin_kind = origins_of_many.origin_kind
            and origins.origin = origins_of_many.origin

),

beginnings as (

    select
        members.origin_kind,
        members.origin,
        customers.months_over,
        count(*) as customers

    from members
    inner join customers on members.customer_id = customers.customer_id
    group by members.origin_kind, members.origin, customers.months_over

),

-- of each customer the months that are over count
months_over as (

    select
        origin_kind,
        origin,
        customers,
        unnest(range(months_over))::integer as months_since

    from beginnings

),

cells as (

    select
        origin_kind,
        origin,
        months_since,
        sum(customers) as customers

    from months_over
    group by origin_kind, origin, months_since
    having sum(customers) >= {{ var('profile_minimum_customers') }}

),

active_months as (

    select distinct
        customers.customer_id,
        date_diff('month', customers.first_purchase_month, purchase_days.order_date)
            as months_since

    from {{ ref('int_customer_purchase_days') }} as purchase_days
    inner join customers on purchase_days.customer_id = customers.customer_id

),

month_money as (

    select * from {{ ref('int_customer_month_money') }}

),

customer_months as (

    select
        customers.customer_id,
        coalesce(active_months.months_since, month_money.months_since) as months_since,
        active_months.customer_id is not null as is_active,
        month_money.net_revenue,
        month_money.margin,
        month_money.margin_basis

    from active_months
    full join month_money
        on
            active_months.customer_id = month_money.customer_id
            and active_months.months_since = month_money.months_since
    inner join customers
        on coalesce(active_months.customer_id, month_money.customer_id) = customers.customer_id
    where coalesce(active_months.months_since, month_money.months_since) < customers.months_over

),

activity as (

    select
        members.origin_kind,
        members.origin,
        customer_months.months_since,
        count(*) filter (where customer_months.is_active) as active_customers,
        sum(customer_months.net_revenue) as net_revenue,
        {{ sum_margin('customer_months.margin', 'customer_months.margin_basis') }} as margin,
        {{ combined_margin_basis('customer_months.margin_basis') }} as margin_basis

    from customer_months
    inner join members on customer_months.customer_id = members.customer_id
    group by members.origin_kind, members.origin, customer_months.months_since

),

completed as (

    select
        cells.origin_kind,
        cells.origin,
        cells.months_since,
        cells.customers,
        coalesce(activity.active_customers, 0) as active_customers,
        coalesce(activity.net_revenue, 0) as net_revenue,
        case when activity.margin_basis is null then 0 else activity.margin end as margin,
        activity.margin_basis

    from cells
    left join activity
        on
            cells.origin_kind = activity.origin_kind
            and cells.origin = activity.origin
            and cells.months_since = activity.months_since

),

final as (

    select
        ---------- ids
        completed.origin_kind,
        completed.origin,
        completed.months_since,

        ---------- attributes
        origins_of_many.origin_name,

        ---------- who came back
        completed.customers::integer as customers,
        completed.active_customers::integer as active_customers,
        (completed.active_customers / completed.customers)::double as retention,

        ---------- what they brought
        completed.net_revenue::decimal(18, 4) as net_revenue,
        completed.margin::decimal(18, 4) as margin,
        completed.margin_basis,
        (completed.margin / completed.customers)::decimal(18, 4) as margin_per_customer,
        -- unknown from the first month on of which it is not known
        case
            when bool_and(completed.margin is not null) over so_far
                then sum((completed.margin / completed.customers)::decimal(18, 4)) over so_far
        end::decimal(18, 4) as margin_per_customer_so_far

    from completed
    inner join origins_of_many
        on
            completed.origin_kind = origins_of_many.origin_kind
            and completed.origin = origins_of_many.origin
    window so_far as (
        partition by completed.origin_kind, completed.origin
        order by completed.months_since
        rows between unbounded preceding and current row
    )

)

select * from final
