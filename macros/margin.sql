{#- A margin over several lines or orders is known only where each of them has one. -#}
{% macro sum_margin(margin='margin', margin_basis='margin_basis') %}
case when not coalesce(bool_or({{ margin_basis }} = 'none'), false) then sum({{ margin }}) end
{%- endmacro %}

{#- Its basis: cost, rate, both of them (mixed), or none; null where there is no merchandise. -#}
{% macro combined_margin_basis(margin_basis='margin_basis') %}
case
    when bool_or({{ margin_basis }} = 'none') then 'none'
    when min({{ margin_basis }}) = max({{ margin_basis }}) then min({{ margin_basis }})
    when min({{ margin_basis }}) is not null then 'mixed'
end
{%- endmacro %}
