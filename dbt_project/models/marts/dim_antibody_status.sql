{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with patients as (
    select p.sender_id, p.hospital_id, p.patient_key from {{ ref('int_patients') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
)

select
    p.sender_id, p.hospital_id, p.patient_key, {{ patient_id('p') }} as patient_id,
    s.msa,
    coalesce(s.decided_by, 'no antibody test received') as decided_by,
    s.positive_antibodies,
    coalesce(s.has_conflict, false) as has_conflict,
    s.conflict,
    coalesce(s.n_tests, 0) as n_tests,
from patients as p
left join {{ ref('int_antibody_status') }} as s using (sender_id, hospital_id, patient_key)
