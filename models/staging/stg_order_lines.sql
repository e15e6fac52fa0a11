with source_rows as (

    {{ current_deliveries('order_lines') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || order_id as order_id,
        line_number,
        {{ customer_key() }} as customer_id,
        customer_id as source_customer_id,
        {{ key_of('product') }} as product_id,
        coalesce(product_source, source) as product_source,
        product_id as source_product_id,
        {{ key_of('returned_order') }} as returned_order_id,
        {{ key_of('store') }} as store_id,
        {{ key_of('employee') }} as employee_id,
        {{ key_of('campaign') }} as campaign_id,

        ---------- texts
        order_status,
        line_kind,
        currency,
        channel,

        ---------- numerics
        quantity,
        unit_price,
        discount_amount,
        net_revenue,
        unit_cost,

        ---------- dates
        ordered_at,
        ordered_at_local,

        ---------- flags
        coalesce(is_incomplete, false) as is_incomplete,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
