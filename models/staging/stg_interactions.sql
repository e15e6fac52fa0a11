with source_rows as (

    {{ current_deliveries('interactions') }}

),

final as (

    select
        ---------- ids
        source,
        source || ':' || interaction_id as interaction_id,
        {{ customer_key() }} as customer_id,
        {{ key_of('employee') }} as employee_id,
        {{ key_of('order') }} as order_id,

        ---------- texts
        channel,
        kind,
        begun_by,
        cause,

        ---------- flags
        is_loop_closed,

        ---------- numerics
        steps,
        rating,
        compensation_amount,

        ---------- dates
        opened_at,
        answered_at,
        resolved_at,

        ---------- delivery
        updated_at,
        load_id,
        delivery_id,
        source_file,
        source_line
    from source_rows

)

select * from final
