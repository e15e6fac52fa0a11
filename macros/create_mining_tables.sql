{#- The tables of the mine stage, empty where it has not run: `dbt build` alone works on day one. -#}
{% macro create_mining_tables() %}
create schema if not exists mining;
create table if not exists mining.rules (
    antecedents varchar[],
    consequents varchar[],
    item_level varchar,
    basket_count bigint,
    antecedent_count bigint,
    consequent_count bigint,
    joint_count bigint,
    antecedent_support double,
    consequent_support double,
    support double,
    confidence double,
    lift double,
    leverage double,
    conviction double,
    is_certain boolean,
    zhangs_metric double,
    jaccard double,
    certainty double,
    kulczynski double,
    rank bigint
);
comment on table mining.rules is 'Association rules as mined; marts.cross_sell_rules has names.';
{% endmacro %}
