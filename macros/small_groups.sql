{#- Which values are folded into one group, so that no group has fewer than var profile_minimum_customers:
    those of fewer customers, and as many of the next larger ones as it takes for the folded ones
    together to reach that number. `memberships` has profile, within (what the values are compared in)
    and value, a row for each customer. -#}
{% macro folded_values(memberships) -%}
{%- set least = var('profile_minimum_customers') -%}
select
    profile,
    within,
    value,
    count(*) < {{ least }}
    or coalesce(
        sum(count(*)) over (
            partition by profile, within
            order by count(*), value
            rows between unbounded preceding and 1 preceding
        ), 0
    ) between 1 and {{ least }} - 1 as is_folded

from {{ memberships }}
group by profile, within, value
{%- endmacro %}
