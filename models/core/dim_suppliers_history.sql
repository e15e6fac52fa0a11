{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('supplier_id', changed_members('suppliers', 'supplier_id')) if is_affected_build() }}"
) }}
{{ member_versions('suppliers', 'supplier_id', {
    'name': none,
    'kind': none,
    'country': none,
}) }}
