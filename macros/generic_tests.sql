{#- Our own generic tests. Each returns the rows that break the rule. -#}

{#- One test for all columns of a table, which is read once: dbt's own, one for each column, were half of
    all tests and of their time. -#}
{% test no_nulls(model, columns) %}
select
    [
    {%- for column in columns %}
        if({{ column }} is null, '{{ column }}', null){{ ',' if not loop.last }}
    {%- endfor %}
    ].list_filter(lambda name: name is not null) as null_columns,
    *
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}

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

{#- The versions of a member cover all time, without gap or overlap, and the last is the current one. -#}
{% test versions_in_time(model, key) %}
select
    {{ key }},
    valid_from,
    valid_to,
    lag(valid_to) over same_member as ended_before,
    lead(valid_from) over same_member as next_from
from {{ model }}
window same_member as (partition by {{ key }} order by valid_from)
qualify
    valid_from >= valid_to
    or valid_from <> coalesce(ended_before, timestamp '1900-01-01')
    or (next_from is null and valid_to <> timestamp '2200-01-01')
    or is_current <> (next_from is null)
{% endtest %}
