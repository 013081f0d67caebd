{{ config(materialized="view", alias="delivery") }}

with attempts as (
    select * from {{ source('raw', 'delivery') }}
    where state <> 'replaced'
),

-- what became of the latest attempt; an earlier attempt may still be in force
latest as (
    select * from attempts
    qualify row_number() over (partition by sender_id, delivery_id order by loaded_at desc, load_id asc) = 1
),

in_force as (
    select a.sender_id, a.delivery_id, a.load_id from attempts as a
    where a.load_id in (select load_id from {{ source('raw', 'current_load') }})
),

files as (
    select load_id, count(*) as files from {{ source('raw', 'delivery_file') }} group by all
),

-- a source row that feeds several entities is one row; it is rejected when any of its records is rejected
rows_in as (
    select load_id, sum(rows_read) as rows_in
    from (
        select distinct load_id, source_file, source_sheet, rows_read - rows_blank as rows_read
        from {{ source('raw', 'source_table') }}
    )
    group by all
),

rejected as (
    select load_id, count(*) as rows_rejected
    from (
        select distinct load_id, source_file, source_sheet, source_row
        from {{ ref('quality_rejected_row') }}
        where is_row
    )
    group by all
),

records as (
    select
        load_id, sum(records) as records_in, sum(records_accepted) as records_accepted,
        sum(records_rejected) as records_rejected
    from {{ ref('quality_source_table') }}
    group by all
)

select
    l.sender_id, l.delivery_id, l.load_id, l.state, l.kind, l.content_sha256, f.files,
    i.load_id as load_id_in_force,
    n.rows_in,
    case
        when i.load_id is not null then coalesce(n.rows_in, 0) - coalesce(r.rows_rejected, 0)
    end as rows_accepted,
    case when i.load_id is not null then coalesce(r.rows_rejected, 0) end as rows_rejected,
    c.records_in, c.records_accepted, c.records_rejected,
    l.loaded_at, nullif(l.reason, '') as reason,
from latest as l
left join in_force as i using (sender_id, delivery_id)
left join files as f on f.load_id = l.load_id
left join rows_in as n on n.load_id = coalesce(i.load_id, l.load_id)
left join rejected as r on r.load_id = i.load_id
left join records as c on c.load_id = i.load_id
