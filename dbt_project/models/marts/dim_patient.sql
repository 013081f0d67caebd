{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with patients as (
    select p.* from {{ ref('int_patients') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

origins as (
    select * from {{ ref('int_patient_origin') }}
),

described as (
    select
        p.sender_id, p.hospital_id, p.patient_key, {{ patient_id('p') }} as patient_id, p.sex, p.birth_year,
        p.onset_date_iso,
        coalesce(
            p.age_at_onset_years,
            {{ years_between('p.birth_date', 'p.onset_date') }}
        ) as age_at_onset_years,
        -- an onset after the baseline gives no duration
        coalesce(
            p.disease_duration_months,
            case
                when p.onset_date <= o.baseline_date
                    then date_diff('day', p.onset_date, o.baseline_date) / {{ days_per_month() }}
            end
        ) as disease_duration_months,
        p.diagnosis, o.origin_date, o.baseline_date, o.baseline_days, p.has_conflict, p.correction_id,
        p.source.delivery_id as delivery_id, p.source.source_file as source_file,
        p.source.source_sheet as source_sheet, p.source.source_row as source_row,
    from patients as p
    left join origins as o using (sender_id, hospital_id, patient_key)
)

-- juvenile dermatomyositis begins before the 18th birthday
select
    * exclude (has_conflict, correction_id, delivery_id, source_file, source_sheet, source_row),
    case
        when age_at_onset_years < 18 then 'juvenile'
        when age_at_onset_years >= 18 then 'adult'
    end as onset_group,
    has_conflict, correction_id, delivery_id, source_file, source_sheet, source_row,
from described
