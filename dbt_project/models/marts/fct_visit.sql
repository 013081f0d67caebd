{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

select
    v.visit_key, v.sender_id, v.hospital_id, v.patient_key, {{ patient_id('v') }} as patient_id, v.visit_date,
    v.visit_date_precision, v.visit_date_iso, v.visit_end_date, v.visit_end_date_iso,
    v.visit_end_at, v.time_days, v.visit_label, v.scheduled_visit, v.nominal_month, v.days_from_nominal,
    v.is_scheduled,
    v.correction_id, v.delivery_id, v.source_file, v.source_sheet, v.source_row,
from {{ ref('int_visits') }} as v
semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
