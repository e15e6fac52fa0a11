with products as (

    select * from {{ ref('stg_products') }}

),

final as (

    select * exclude (updated_at, load_id, source_file, source_line)
    from products
    qualify row_number() over (
        partition by product_id
        order by updated_at desc, load_id desc, source_line desc
    ) = 1

)

select * from final
