{#- One row: the parameters of Gamma-Gamma as of a period's cut; nulls where it was not fitted. -#}
{% macro gamma_gamma_parameters(period) -%}
select
        max(case when parameter = 'p' then value end) as p,
        max(case when parameter = 'q' then value end) as q,
        max(case when parameter = 'gamma' then value end) as gamma
    from {{ source('mining', 'clv_parameters') }}
    where
        model = 'gamma_gamma'
        and period = '{{ period }}'
{%- endmacro %}

{#- What a customer spends on a day with a purchase: their own mean, drawn towards that of all the
    more, the fewer days are known (mining/clv/gamma_gamma.py). Null where the mean of all does not
    exist (q at most 1) and nothing is known of the customer. -#}
{% macro expected_spending() -%}
case
            when spending.p * histories.spending_days + spending.q > 1
                then spending.p * (
                    spending.gamma + histories.spending_days * coalesce(histories.mean_spending, 0)
                ) / (spending.p * histories.spending_days + spending.q - 1)
        end
{%- endmacro %}
