{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('customer_id', changed_members('customers', 'customer_id')) if is_affected_build() }}"
) }}
{{ member_versions('customers', 'customer_id', {
    'source_customer_id': none,
    'business_id': none,
    'referred_by_customer_id': 'referred_by',
    'name': none,
    'given_name': none,
    'family_name': none,
    'birth_date': none,
    'email': none,
    'phone': none,
    'address': none,
    'sex': none,
    'age_band': none,
    'city': none,
    'region': none,
    'country': none,
    'income_band': none,
    'household': none,
    'acquisition_channel': none,
    'acquired_at': 'make_timestamp(epoch_us(acquired_at))',
    'is_listed_prospect': 'coalesce(is_prospect, false)',
}) }}
