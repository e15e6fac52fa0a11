{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('employee_id', changed_members('employees', 'employee_id')) if is_affected_build() }}"
) }}
{{ member_versions('employees', 'employee_id', {
    'store_id': none,
    'manager_id': none,
    'name': none,
    'role': none,
    'hired_on': none,
    'left_on': none,
}) }}
