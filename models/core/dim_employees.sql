with employees as (

    select * from {{ ref('dim_employees_history') }}
    where is_current

),

orders as (

    select * from {{ ref('fct_orders') }}

),

inferred_employees as (

    select distinct employee_id
    from orders
    where
        employee_id <> 'unknown'
        and employee_id not in (select employee_id from employees)

),

members as (

    select
        *,
        false as is_inferred
    from employees

    union all by name

    select
        employee_id,
        {{ source_of('employee_id') }} as source,
        true as is_inferred
    from inferred_employees

    union all by name

    select
        'unknown' as employee_id,
        false as is_inferred

),

final as (

    select
        ---------- ids
        employee_id,
        source,
        store_id,
        manager_id,

        ---------- personal data
        name,

        ---------- texts
        role,

        ---------- dates
        hired_on,
        left_on,

        ---------- flags
        is_inferred,
        coalesce(is_gone, false) as is_gone
    from members

)

select * from final
