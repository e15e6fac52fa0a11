{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=not is_affected_build(),
    pre_hook="{{ delete_affected('product_id', changed_members('products', 'product_id')) if is_affected_build() }}"
) }}
{{ member_versions('products', 'product_id', {
    'source_product_id': none,
    'supplier_id': none,
    'name': none,
    'brand': none,
    'department': none,
    'category': none,
    'product_type': none,
    'package_size': none,
    'list_price': none,
    'unit_cost': none,
}) }}
