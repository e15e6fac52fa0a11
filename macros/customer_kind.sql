{#- Whether a customer was new or old on a day; of a first purchase that was not observed nobody knows
    it in the first days. -#}
{% macro customer_kind(on_date) -%}
case
    when {{ on_date }} >= customers.is_old_on then 'old'
    when customers.is_first_purchase_observed then 'new'
    else 'not known'
end
{%- endmacro %}
