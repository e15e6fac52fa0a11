-- Every size of a segment has a level for every level of profit.
with

sizes as (

    select unnest(['few', 'medium', 'many']) as profit_level_size

),

levels as (

    select unnest(['low', 'medium', 'high']) as profit_level

),

final as (

    select
        sizes.profit_level_size,
        levels.profit_level

    from sizes
    cross join levels
    left join {{ ref('relationship_levels') }} as relationship_levels
        on
            sizes.profit_level_size = relationship_levels.profit_level_size
            and levels.profit_level = relationship_levels.profit_level
    where relationship_levels.relationship_level is null

)

select * from final
