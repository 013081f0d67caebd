{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with contacts as (
    select f.* from {{ ref('int_follow_up') }} as f
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not f.is_rejected and not f.is_superseded
)

select
    c.sender_id, c.hospital_id, c.patient_key, {{ patient_id('c') }} as patient_id, c.last_seen_date,
    c.last_seen_date_precision, c.last_seen_date_iso,
    coalesce(
        c.last_seen_offset_days,
        date_diff('day', o.origin_date, c.last_seen_date)::double
    ) as last_seen_days,
    c.status, c.reason,
    c.correction_id, c.delivery_id, c.source_file, c.source_sheet, c.source_row,
from contacts as c
left join {{ ref('int_patient_origin') }} as o using (sender_id, hospital_id, patient_key)
