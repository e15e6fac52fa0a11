-- By itself, since this join takes longer than all else that reads the lines.
with

customers as (

    select * from {{ ref('int_customer_totals') }}

),

order_lines as (

    select * from {{ ref('int_attributed_order_lines') }}
    where line_kind = 'merchandise'

),

final as (

    select
        ---------- ids
        customers.customer_id,

        ---------- dates
        -- money before the first purchase (credit notes of unknown orders) is booked on its month
        greatest(0, date_diff(
            'month', customers.first_purchase_month, order_lines.attributed_order_date
        )) as months_since,

        ---------- numerics
        sum(order_lines.net_revenue)::decimal(18, 4) as net_revenue,
        ({{ sum_margin('order_lines.margin', 'order_lines.margin_basis') }})::decimal(18, 4)
            as margin,
        {{ combined_margin_basis('order_lines.margin_basis') }} as margin_basis

    from customers
    inner join order_lines on customers.customer_id = order_lines.customer_id
    group by customers.customer_id, months_since

)

select * from final
