with versions as (

    select * from {{ ref('dim_products_history') }}

),

final as (

    select * exclude (valid_from, valid_to, is_current)
    from versions
    where is_current

)

select * from final
