with employees as (

    select * from {{ ref('stg_employees') }}

),

order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

newest_employees as (

    select *
    from employees
    qualify row_number() over (
        partition by employee_id
        order by updated_at desc, load_id desc, source_line desc
    ) = 1

),

inferred_employees as (

    select
        employee_id,
        min(source) as source
    from order_lines
    where
        employee_id <> 'unknown'
        and employee_id not in (select employee_id from newest_employees)
    group by employee_id

),

members as (

    select
        *,
        false as is_inferred
    from newest_employees

    union all by name

    select
        *,
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
        is_inferred
    from members

)

select * from final
