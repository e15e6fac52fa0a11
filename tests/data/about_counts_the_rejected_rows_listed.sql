-- Every rejected row that about counts is listed with a reason, and the reverse.
with

about as (

    select
        source,
        rejected_rows
    from {{ ref('about') }}
    where rejected_rows > 0

),

listed as (

    select
        source,
        sum(rows) as rejected_rows
    from {{ ref('rejected_rows_by_reason') }}
    group by source

)

select *
from about
full join listed
    using (source)
where about.rejected_rows is distinct from listed.rejected_rows
