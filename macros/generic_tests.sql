{#- Our own generic tests. Each returns the rows that break the rule. -#}

{% test unique_combination(model, columns) %}
select
    {{ columns | join(', ') }},
    count(*) as row_count,
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{% test expression_is_true(model, expression) %}
select *
from {{ model }}
where ({{ expression }}) is not true
{% endtest %}

{#- No day between the first and the last is missing. -#}
{% test consecutive_days(model, column) %}
select
    {{ column }},
    lead({{ column }}) over (order by {{ column }}) as next_day,
from {{ model }}
qualify next_day <> {{ column }} + 1
{% endtest %}
