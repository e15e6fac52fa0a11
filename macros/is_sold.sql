{#- Whether a line of merchandise was sold: neither brought back nor written off. Where a source states no
    quantities, each line is a sale. Written plainly: of `(...) is true` DuckDB expects a fifth of the
    lines, as int_counted_order_lines tells. -#}
{% macro is_sold() -%}
not is_return and coalesce(quantity, 1) > 0
{%- endmacro %}
