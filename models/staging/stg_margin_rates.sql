with source_rows as (

    select * from {{ source('raw', 'margin_rates') }}

),

final as (

    select
        source,
        category,
        margin_rate
    from source_rows

)

select * from final
