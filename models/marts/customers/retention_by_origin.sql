-- As cohort_retention, of customers who came by the same way, of all months together.
with

as_of_date as (

    select
        as_of_date,
        date_trunc('month', as_of_date)::date as this_month

    from {{ ref('int_as_of_date') }}

),

customers as (

    select
        totals.customer_id,
        totals.first_purchase_date,
        totals.first_purchase_month,
        dim_customers.acquisition_channel

    from {{ ref('int_customer_totals') }} as totals
    inner join {{ ref('dim_customers') }} as dim_customers
        on totals.customer_id = dim_customers.customer_id
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
        any_value(origin_name) as origin_name

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
        customers.first_purchase_month,
        count(*) as customers

    from members
    inner join customers on members.customer_id = customers.customer_id
    group by members.origin_kind, members.origin, customers.first_purchase_month

),

-- only whose month is over counts in it
months_over as (

    select
        beginnings.origin_kind,
        beginnings.origin,
        beginnings.customers,
        unnest(range(
            date_diff('month', beginnings.first_purchase_month, as_of_date.this_month)
        ))::integer as months_since

    from beginnings
    cross join as_of_date

),

cells as (

    select
        origin_kind,
        origin,
        months_since,
        sum(customers) as customers

    from months_over
    group by origin_kind, origin, months_since

),

active_months as (

    select distinct
        customers.customer_id,
        date_diff('month', customers.first_purchase_month, purchase_days.order_date)
            as months_since

    from {{ ref('int_customer_purchase_days') }} as purchase_days
    inner join customers on purchase_days.customer_id = customers.customer_id
    inner join as_of_date on purchase_days.order_date < as_of_date.this_month

),

activity as (

    select
        members.origin_kind,
        members.origin,
        active_months.months_since,
        count(*) as active_customers

    from active_months
    inner join members on active_months.customer_id = members.customer_id
    group by members.origin_kind, members.origin, active_months.months_since

),

-- money before the first purchase (credit notes of unknown orders) is booked on its month
money_by_customer as (

    select
        order_lines.customer_id,
        greatest(0, date_diff(
            'month', customers.first_purchase_month, order_lines.attributed_order_date
        )) as months_since,
        sum(order_lines.net_revenue) as net_revenue,
        {{ sum_margin('order_lines.margin', 'order_lines.margin_basis') }} as margin,
        {{ combined_margin_basis('order_lines.margin_basis') }} as margin_basis

    from {{ ref('int_attributed_order_lines') }} as order_lines
    inner join customers on order_lines.customer_id = customers.customer_id
    inner join as_of_date on order_lines.attributed_order_date < as_of_date.this_month
    where order_lines.line_kind = 'merchandise'
    group by order_lines.customer_id, months_since

),

money as (

    select
        members.origin_kind,
        members.origin,
        money_by_customer.months_since,
        sum(money_by_customer.net_revenue) as net_revenue,
        {{ sum_margin('money_by_customer.margin', 'money_by_customer.margin_basis') }} as margin,
        {{ combined_margin_basis('money_by_customer.margin_basis') }} as margin_basis

    from money_by_customer
    inner join members on money_by_customer.customer_id = members.customer_id
    group by members.origin_kind, members.origin, money_by_customer.months_since

),

final as (

    select
        ---------- ids
        cells.origin_kind,
        cells.origin,
        cells.months_since,

        ---------- attributes
        origins_of_many.origin_name,

        ---------- who came back
        cells.customers::integer as customers,
        coalesce(activity.active_customers, 0)::integer as active_customers,
        (coalesce(activity.active_customers, 0) / cells.customers)::double as retention,

        ---------- what they brought
        coalesce(money.net_revenue, 0)::decimal(18, 4) as net_revenue,
        case when money.origin is null then 0 else money.margin end::decimal(18, 4) as margin,
        money.margin_basis,
        (
            case when money.origin is null then 0 else money.margin end / cells.customers
        )::decimal(18, 4) as margin_per_customer

    from cells
    inner join origins_of_many
        on
            cells.origin_kind = origins_of_many.origin_kind
            and cells.origin = origins_of_many.origin
    left join activity
        on
            cells.origin_kind = activity.origin_kind
            and cells.origin = activity.origin
            and cells.months_since = activity.months_since
    left join money
        on
            cells.origin_kind = money.origin_kind
            and cells.origin = money.origin
            and cells.months_since = money.months_since

)

select * from final
