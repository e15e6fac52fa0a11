{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('store_id', changed_members('stores', 'store_id')) if is_affected_build() }}"
) }}
{{ member_versions('stores', 'store_id', {
    'name': none,
    'kind': none,
    'city': none,
    'region': none,
    'opened_on': none,
    'closed_on': none,
}) }}
