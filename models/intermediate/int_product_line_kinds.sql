-- Only products of sources that have rules; all others are merchandise.
with rules as (

    select * from {{ ref('product_line_kinds') }}

),

order_lines as (

    select * from {{ ref('stg_order_lines') }}

),

products as (

    select * from {{ ref('int_products') }}

),

products_under_rules as (

    select
        product_source as source,
        source_product_id
    from order_lines
    where
        product_source in (select source from rules)
        and source_product_id is not null

    union

    select
        source,
        source_product_id
    from products
    where source in (select source from rules)

),

final as (

    select
        products_under_rules.source
        || ':'
        || products_under_rules.source_product_id as product_id,
        rules.line_kind
    from products_under_rules
    inner join rules
        on
            products_under_rules.source = rules.source
            and regexp_full_match(
                products_under_rules.source_product_id,
                rules.product_code_pattern
            )
    qualify row_number() over (
        partition by
            products_under_rules.source,
            products_under_rules.source_product_id
        order by rules.priority
    ) = 1

)

select * from final
