{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with staged as (
    select v.* from {{ ref('stg_visits') }} as v
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not v.is_rejected
),

patients as (
    {{ known_patients() }}
),

placed as (
    select
        v.* exclude (hospital_id, visit_key),
        coalesce(v.hospital_id, p.only_hospital) as hospital_id,
        coalesce(
            v.visit_key,
            md5(concat_ws('|', v.sender_id, v.patient_key, v.visit_date_iso, v.visit_offset_days))
        ) as visit_key,
        p.origin_date,
        p.patient_key is null as is_orphan,
    from staged as v
    left join patients as p using (sender_id, patient_key)
    where not {{ is_before('v.visit_date_iso', 'p.birth_iso') }}
),

deduplicated as (
    select * from placed
    qualify row_number() over (
        partition by sender_id, visit_key
        order by delivery_id desc, source_file desc, source_sheet desc, source_row desc) = 1
),

timed as (
    select
        *,
        coalesce(
            visit_offset_days,
            date_diff(
                'day',
                coalesce(origin_date, min(visit_date) over (partition by sender_id, patient_key)),
                visit_date
            )
        )::double as time_days,
    from deduplicated
    where not is_orphan
),

windows as (
    select * from {{ source('raw', 'registry_visit_window') }}
),

-- a visit belongs to the window with the nearest nominal day; windows may overlap
windowed as (
    select t.*, w.scheduled_visit, w.nominal_month,
        t.time_days - w.nominal_day as days_from_nominal,
    from timed as t
    left join windows as w
        on t.time_days between w.from_day and w.to_day
    qualify row_number() over (
        partition by t.sender_id, t.visit_key
        order by abs(t.time_days - w.nominal_day) nulls last, w.nominal_day) = 1
),

-- Of the visits in a window, the one nearest to nominal counts for it, and of two equally near the earlier
-- one.
chosen as (
    select
        *,
        scheduled_visit is not null and row_number() over (
            partition by sender_id, patient_key, scheduled_visit
            order by abs(days_from_nominal), time_days, visit_key) = 1 as is_scheduled,
    from windowed
)

select
    sender_id, hospital_id, patient_key, visit_key, visit_date, visit_date_precision, visit_date_iso,
    visit_end_date, visit_end_date_iso, visit_end_at, time_days, visit_label, scheduled_visit,
    nominal_month, days_from_nominal, is_scheduled, correction_id, delivery_id, source_file, source_sheet,
    source_row,
from chosen
