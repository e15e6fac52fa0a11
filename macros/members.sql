{#- Members of dim_customers that are no person: `anonymous` buys without a name, `erased` are all
    people whom `regulars forget` removed. Their money counts; they have no RFM, CLV or retention. -#}
{% macro is_person(customer_id='customer_id') %}
    {{ customer_id }} not in ('anonymous', 'erased')
{%- endmacro %}

{#- The key of a customer in staging. A removed person's rows name `erased` instead of an id. -#}
{% macro customer_key(customer_id='customer_id') %}
    case when {{ customer_id }} = 'erased' then 'erased' else source || ':' || {{ customer_id }} end
{%- endmacro %}
