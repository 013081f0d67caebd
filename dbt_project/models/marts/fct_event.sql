{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

select
    md5(concat_ws(
        '|', e.sender_id, e.hospital_id, e.patient_key, e.event_id, e.event_date_iso, e.event_offset_days
    )) as event_key,
    e.sender_id, e.hospital_id, e.patient_key, {{ patient_id('e') }} as patient_id, e.event_id,
    y.category as event_category, e.event_date, e.event_date_precision, e.event_date_iso,
    coalesce(e.event_offset_days, date_diff('day', o.origin_date, e.event_date)::double) as time_days,
    e.status, e.detail,
    e.correction_id, e.delivery_id, e.source_file, e.source_sheet, e.source_row, e.source_column,
from {{ ref('int_events') }} as e
join {{ ref('event_types') }} as y using (event_id)
left join {{ ref('int_patient_origin') }} as o using (sender_id, hospital_id, patient_key)
semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
where not e.is_rejected and not e.is_superseded
