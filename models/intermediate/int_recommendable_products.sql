with mined_products as (

    select * from {{ ref('int_mined_products') }}

),

final as (

    select
        product_id,
        not is_gone as is_offered
    from mined_products
    where line_kind = 'merchandise'

)

select * from final
