with orders as (

    select * from {{ ref('fct_orders') }}

),

campaigns as (

    select * from {{ ref('dim_campaigns') }}

),

channels as (

    select channel from orders
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
