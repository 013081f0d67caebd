{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

select
    md5(concat_ws(
        '|', r.sender_id, r.hospital_id, r.patient_key, r.antibody_id, r.assay_id, r.tested_date_iso,
        r.time_days
    )) as antibody_result_key,
    r.sender_id, r.hospital_id, r.patient_key, {{ patient_id('r') }} as patient_id, r.tested_date,
    r.tested_date_precision, r.tested_date_iso, r.time_days, r.antibody_id, a.antibody_group,
    r.antibody_source, r.result_text, r.assay_source, r.assay_id, r.cut_off, r.grade, r.result, r.is_positive,
    r.positivity_rule,
    r.correction_id, r.delivery_id, r.source_file, r.source_sheet, r.source_row, r.source_column,
from {{ ref('int_antibody_results') }} as r
join {{ ref('antibodies') }} as a using (antibody_id)
semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
where not r.is_rejected and not r.is_superseded
