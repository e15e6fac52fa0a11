-- What sources say of the people themselves, in bands and words: nothing that points at one person.
with

customers as (

    select * from {{ ref('dim_customers') }}
    where {{ is_person() }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

aged as (

    select
        customers.*,
        {{ age_in_years('customers.birth_date', 'as_of.as_of_date') }} as age

    from customers
    cross join as_of

),

final as (

    select
        ---------- ids
        customer_id,

        ---------- attributes
        coalesce({{ age_band('age') }}, age_band) as age_band,
        sex,
        income_band,
        household,
        region

    from aged

)

select * from final
