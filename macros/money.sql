{#- An amount times a factor, rounded half away from zero to four decimals (DuckDB's cast does). DuckDB
    multiplies two decimals of 18 digits in 18 digits, which a million times a rate of eight decimals
    overflows; 38 digits hold it, but take a hundred times as long, so only great products get them. -#}
{% macro multiplied(amount, factor) -%}
case
    when abs(({{ amount }})::double * ({{ factor }})::double) < 900000
        then (({{ amount }})::decimal(18, 4) * {{ factor }})::decimal(18, 4)
    else (({{ amount }})::decimal(38, 4) * {{ factor }})::decimal(18, 4)
end
{%- endmacro %}

{#- Money in the reporting currency; without a reporting currency every rate is 1 and nothing is left
    to do. -#}
{% macro to_reporting_currency(amount, rate='exchange_rate') -%}
    {%- if var('reporting_currency') -%}
    {{ multiplied(amount, rate) }}
    {%- else -%}
    {{ amount }}
    {%- endif -%}
{%- endmacro %}

{#- Money in whole numbers, for thresholds that a quotient of doubles would miss: 3.3 × 3 / 3.3 is above
    3 there. -#}
{% macro in_millionths(money) -%}
(({{ money }}) * 1000000)::hugeint
{%- endmacro %}
