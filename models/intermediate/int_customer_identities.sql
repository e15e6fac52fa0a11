-- One golden id over all source ids of a person. Until identities are resolved
-- every source id is a person of its own.
with customer_ids_of_loads as (

    select * from {{ ref('int_customer_ids_of_loads') }}

),

final as (

    select distinct
        source,
        source_customer_id,
        source || ':' || source_customer_id as customer_id
    from customer_ids_of_loads

)

select * from final
