{#- Full years from a birthday to a day. Who was born on 29 February grows older on 1 March of other
    years. Null for birthdays after that day, and for ages that nobody reaches: typing errors both. -#}
{% macro age_in_years(birth_date, on_date) -%}
case
    when
        {{ birth_date }} <= {{ on_date }}
        and {{ birth_date }} > {{ on_date }} - interval 120 years
        then
            year({{ on_date }}) - year({{ birth_date }})
            - (
                (month({{ on_date }}), day({{ on_date }}))
                < (month({{ birth_date }}), day({{ birth_date }}))
            )::integer
end
{%- endmacro %}

{#- The band of an age, of bands that begin at the ages of var profile_age_bands: under 18, 18-24, ...,
    65+. -#}
{% macro age_band(age) -%}
{%- set starts = var('profile_age_bands') -%}
case
    when {{ age }} < {{ starts[0] }} then 'under {{ starts[0] }}'
    {%- for start in starts[:-1] %}
    when {{ age }} < {{ starts[loop.index] }} then '{{ start }}-' || ({{ starts[loop.index] }} - 1)
    {%- endfor %}
    when {{ age }} >= {{ starts[-1] }} then '{{ starts[-1] }}+'
end
{%- endmacro %}
