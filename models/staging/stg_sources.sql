with source_rows as (

    select * from {{ source('raw', 'sources') }}

),

final as (

    select
        source,
        title,
        time_zone,
        currency,
        delivers,
        has_complete_history,
        are_zero_orders_purchases
    from source_rows

)

select * from final
