{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with patients as (
    select p.* from {{ ref('int_patients') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

visits as (
    select v.* from {{ ref('int_visits') }} as v
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

first_visit as (
    select
        sender_id, hospital_id, patient_key,
        min(visit_date) as first_visit_date,
        min(visit_date) filter (where is_scheduled and nominal_month = 0) as baseline_date,
        min(time_days) filter (where is_scheduled and nominal_month = 0) as baseline_days,
    from visits
    group by all
),

-- Day 0 is the day that the hospital calls day 0, else the first visit. Follow-up starts at the baseline
-- visit, else on day 0.
placed as (
    select
        p.sender_id, p.hospital_id, p.patient_key,
        coalesce(p.origin_date, f.first_visit_date) as origin_date,
        coalesce(f.baseline_date, p.origin_date, f.first_visit_date) as baseline_date,
        coalesce(f.baseline_days, 0) as baseline_days,
    from patients as p
    left join first_visit as f using (sender_id, hospital_id, patient_key)
)

select * from placed
