{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

select
    md5(concat_ws(
        '|', r.sender_id, r.hospital_id, r.patient_key, r.treatment_id, r.start_date_iso, r.start_offset_days
    )) as treatment_key,
    r.sender_id, r.hospital_id, r.patient_key, {{ patient_id('r') }} as patient_id, r.treatment_id,
    r.treatment_source, r.start_date, r.start_date_precision, r.start_date_iso,
    r.stop_date, r.stop_date_precision, r.stop_date_iso,
    coalesce(r.start_offset_days, date_diff('day', o.origin_date, r.start_date)::double) as time_days,
    coalesce(r.stop_offset_days, date_diff('day', o.origin_date, r.stop_date)::double) as stop_days,
    r.dose, r.dose_text, r.dose_unit,
    r.correction_id, r.delivery_id, r.source_file, r.source_sheet, r.source_row,
from {{ ref('int_treatments') }} as r
left join {{ ref('int_patient_origin') }} as o using (sender_id, hospital_id, patient_key)
semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
where not r.is_rejected and not r.is_superseded
