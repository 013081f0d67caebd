{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

{#-
A course runs from its start to its stop, both days included; a course without a stop runs on. Where the days
are not known, the texts decide as far as they are exact: 2021-03 lies before 2021-05, and may be 2021-03-20.
-#}

with visits as (
    select v.* from {{ ref('fct_visit') }} as v
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

courses as (
    select c.*, d.treatment_class from {{ ref('fct_treatment') }} as c
    join {{ ref('treatments') }} as d using (treatment_id)
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

paired as (
    select
        v.sender_id, v.hospital_id, v.patient_key, v.patient_id, v.visit_key, v.time_days, v.scheduled_visit,
        v.is_scheduled, c.treatment_key, c.treatment_id, c.treatment_class, c.dose, c.dose_unit,
        v.time_days - c.time_days as days_since_start,
        coalesce(c.time_days > v.time_days, {{ is_before('v.visit_date_iso', 'c.start_date_iso') }})
            as is_before_start,
        coalesce(c.stop_days < v.time_days, {{ is_before('c.stop_date_iso', 'v.visit_date_iso') }})
            as is_after_stop,
        coalesce(c.time_days <= v.time_days, {{ is_before('c.start_date_iso', 'v.visit_date_iso') }})
            as has_surely_started,
        coalesce(
            c.stop_days >= v.time_days,
            c.stop_date_iso is null or {{ is_before('v.visit_date_iso', 'c.stop_date_iso') }}
        ) as surely_runs_on,
    from visits as v
    join courses as c using (sender_id, hospital_id, patient_key)
)

select
    sender_id, hospital_id, patient_key, patient_id, visit_key, time_days, scheduled_visit, is_scheduled,
    treatment_key, treatment_id, treatment_class, dose, dose_unit, days_since_start,
    has_surely_started and surely_runs_on as is_certain,
from paired
where not is_before_start and not is_after_stop
