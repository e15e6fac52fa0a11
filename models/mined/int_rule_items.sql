-- An item is <level>:<key>. Keys are product ids only at the level of products; at every other
-- level they are names already.
with

rules as (

    select
        (row_number() over (order by rank))::integer as rank,
        antecedents,
        consequents

    from {{ source('mining', 'rules') }}
    where is_published

),

products as (

    select * from {{ ref('dim_products') }}

),

items as (

    {% for side in ['antecedents', 'consequents'] -%}
        select
            rank,
            '{{ side }}' as side,
            unnest({{ side }}) as item,
            generate_subscripts({{ side }}, 1) as position

        from rules
        {% if not loop.last %}
            union all

        {% endif %}
    {%- endfor %}

),

keys as (

    select
        *,
        split_part(item, ':', 1) as level,
        substr(item, strpos(item, ':') + 1) as key

    from items

),

final as (

    select
        ---------- ids
        keys.rank,
        keys.side,
        keys.position,
        keys.item,

        ---------- texts
        keys.level,
        keys.key,
        coalesce(products.name, keys.key) as name

    from keys
    left join products
        on
            keys.level = 'product'
            and keys.key = products.product_id

)

select * from final
