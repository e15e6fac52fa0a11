{#- Ends of 95 % intervals, in SQL as in mining/intervals.py. `sign` is - for the lower end, + for the
    upper one. Counts and sums are integers or decimals, so that they do not depend on threads. -#}
{% macro z95() -%} 1.959963984540054::double {%- endmacro %}

{#- Of a share: Wilson (1927); null where there are no trials. -#}
{% macro wilson_end(sign, successes, trials) -%}
case
    when {{ trials }} = 0 then null
    when {{ successes }} = {{ '0' if sign == '-' else trials }} then {{ '0' if sign == '-' else '1' }}
    else (
        {{ successes }}::double / {{ trials }} + {{ z95() }} * {{ z95() }} / (2 * {{ trials }})
        {{ sign }} {{ z95() }} * sqrt(
            {{ successes }}::double / {{ trials }} * (1 - {{ successes }}::double / {{ trials }})
            / {{ trials }}
            + {{ z95() }} * {{ z95() }} / (4 * {{ trials }}::double * {{ trials }})
        )
    ) / (1 + {{ z95() }} * {{ z95() }} / {{ trials }})
end
{%- endmacro %}

{#- Of a mean of n values, by the normal distribution: mean ± z s / √n, s² = (Σx² - (Σx)² / n) / (n - 1);
    null of fewer than two. -#}
{% macro mean_end(sign, n, total, total_of_squares) -%}
{{ total }}::double / {{ n }} {{ sign }} {{ z95() }} * sqrt(
    greatest(
        0,
        {{ total_of_squares }}::double - {{ total }}::double * {{ total }}::double / {{ n }}
    ) / nullif({{ n }} - 1, 0) / {{ n }}
)
{%- endmacro %}

{#- Of a ratio of sums Σy / Σt over n customers, who are independent while one customer's events are not:
    R ± z √(n / (n - 1) Σ(y - R t)²) / Σt (Cochran 1977, Sampling Techniques, 6.4), nothing below 0; null
    where Σt is 0 or n is 1. -#}
{% macro ratio_end(sign, n, y, t, yy, yt, tt) -%}
{%- set ratio = y ~ '::double / ' ~ t -%}
case
    when {{ t }} > 0 and {{ n }} > 1 then greatest(
        0,
        {{ ratio }} {{ sign }} {{ z95() }} * sqrt(
            greatest(
                0,
                {{ yy }}::double
                - 2 * {{ ratio }} * {{ yt }}::double
                + {{ ratio }} * ({{ ratio }}) * {{ tt }}::double
            ) * {{ n }} / ({{ n }} - 1)
        ) / {{ t }}
    )
end
{%- endmacro %}
