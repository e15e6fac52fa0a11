-- Every pair of scores has exactly one name, and a name means one thing.
with

scores as (

    select unnest(range(1, 6)) as score

),

grid as (

    select
        recency_scores.score as r_score,
        value_scores.score as fm_score

    from scores as recency_scores
    cross join scores as value_scores

),

holes as (

    select 'no segment for ' || grid.r_score || ', ' || grid.fm_score as problem

    from grid
    left join {{ ref('rfm_segments') }} as segments
        on
            grid.r_score = segments.r_score
            and grid.fm_score = segments.fm_score
    group by grid.r_score, grid.fm_score
    having count(segments.segment) <> 1

),

ambiguous as (

    select segment || ' has several descriptions' as problem

    from {{ ref('rfm_segments') }}
    group by segment
    having count(distinct description || suggested_action) > 1

),

final as (

    select * from holes
    union all
    select * from ambiguous

)

select * from final
