{#- Tier of a customer by what they bring, once customers stand in order of it, the best first: those
    who together bring the first 80 % are A, those to 95 % B, the others C, who brings nothing D. In whole
    numbers: a customer on the edge is on the same side in every build. -#}
{% macro tier(amount, so_far, all_amount) -%}
case
    when {{ amount }} is null then null
    when {{ amount }} <= 0 then 'D'
    when 100 * ({{ so_far }} - {{ amount }}) < 80 * {{ all_amount }} then 'A'
    when 100 * ({{ so_far }} - {{ amount }}) < 95 * {{ all_amount }} then 'B'
    else 'C'
end
{%- endmacro %}
