{#- Money in the reporting currency, rounded half away from zero to four decimals (DuckDB's cast does);
    without a reporting currency every rate is 1 and nothing is left to do. -#}
{% macro to_reporting_currency(amount, rate='exchange_rate') -%}
    {%- if var('reporting_currency') -%}
    ({{ amount }} * {{ rate }})::decimal(18, 4)
    {%- else -%}
    {{ amount }}
    {%- endif -%}
{%- endmacro %}
