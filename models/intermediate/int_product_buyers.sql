-- Who bought what, counted by product. Pairs of product and customer are nearly as many as order
-- lines, so this is built by itself: beside the other sums of products it would double the memory
-- that a refresh takes.
with order_lines as (

    select * from {{ ref('int_counted_order_lines') }}
    where
        line_kind = 'merchandise'
        and {{ is_sold() }}
        and {{ is_person() }}

),

buyers as (

    select
        product_id,
        customer_id,
        min(order_date) < max(order_date) as is_repeat_buyer
    from order_lines
    group by product_id, customer_id

),

final as (

    select
        product_id,
        count(*) as buyers,
        count(*) filter (where is_repeat_buyer) as repeat_buyers
    from buyers
    group by product_id

)

select * from final
