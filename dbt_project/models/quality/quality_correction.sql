{{ config(materialized="view", alias="correction") }}

with records as (
    select * from {{ source('raw', 'registry_correction') }}
),

matched as (
    select
        correction_id,
        count(*) filter (where rows_matched > 0) as deliveries_matched,
        sum(rows_matched)::bigint as rows_matched,
        sum(rows_as_expected)::bigint as rows_as_expected,
    from {{ source('raw', 'registry_correction_match') }}
    group by all
),

changed as (
    select correction_id, count(*) as cells_changed
    from {{ source('raw', 'registry_corrected_cell') }}
    group by all
)

select
    r.correction_id, r.sender_id, r.action, r.status, r.reason, r.reported,
    coalesce(m.deliveries_matched, 0) as deliveries_matched,
    coalesce(m.rows_matched, 0) as rows_matched,
    coalesce(m.rows_as_expected, 0) as rows_as_expected,
    coalesce(c.cells_changed, 0) as cells_changed,
from records as r
left join matched as m using (correction_id)
left join changed as c using (correction_id)
