with order_lines as (

    select * from {{ ref('fct_order_lines') }}

),

campaigns as (

    select * from {{ ref('dim_campaigns') }}

),

channels as (

    select channel from order_lines
    union
    select channel from campaigns
    union
    select 'unknown' as channel

),

final as (

    select
        channel,
        channel = 'unknown' as is_unknown
    from channels
    where channel is not null

)

select * from final
