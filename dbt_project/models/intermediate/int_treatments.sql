{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with touched as (
    select s.* exclude (faults, is_rejected) from {{ ref('stg_treatments') }} as s
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not s.is_rejected
),

patients as (
    {{ known_patients() }}
),

words as (
    {{ words_of('touched', 'treatments', 'treatment', 'treatment_source') }}
),

names as (
    {{ named('words', 'treatments', 'treatment_id', 'treatments', 'treatment_synonyms') }}
),

judged as (
    select
        t.* exclude (hospital_id),
        coalesce(t.hospital_id, p.only_hospital) as hospital_id,
        p.origin_date,
        n.code as treatment_id,
        case
            when p.patient_key is null
                then {'rule': 'patient_unknown', 'column_name': 'patient_id', 'found': null::varchar}
            when {{ is_before('t.start_date_iso', 'p.birth_iso') }}
                then {'rule': 'date_before_birth', 'column_name': 'start_date', 'found': t.start_date_iso}
            when n.is_unwanted
                then {'rule': 'treatment_not_wanted', 'column_name': 'treatment', 'found': t.treatment_source}
            when n.is_doubtful
                then {'rule': 'treatment_ambiguous', 'column_name': 'treatment', 'found': t.treatment_source}
            when n.code is null
                then {'rule': 'treatment_unknown', 'column_name': 'treatment', 'found': t.treatment_source}
        end as fault,
    from touched as t
    left join patients as p using (sender_id, patient_key)
    left join names as n on n.sender_id = t.sender_id and n.word = t.treatment_source
),

ranked as (
    select
        *,
        case when fault is null then row_number() over (
            partition by fault is null, sender_id, hospital_id, patient_key, treatment_id, start_date_iso,
                start_offset_days
            order by delivery_id desc, source_file desc, source_sheet desc, source_row desc
        ) end as rank_in_course,
    from judged
)

select
    sender_id, hospital_id, patient_key, treatment_id, {{ sent('treatment_source') }} as treatment_source,
    start_date, start_date_precision, start_date_iso,
    stop_date, stop_date_precision, stop_date_iso,
    start_offset_days, stop_offset_days, dose, dose_text, dose_unit, origin_date,
    correction_id, delivery_id, load_id, source_file, source_sheet, source_row,
    fault,
    fault is not null as is_rejected,
    coalesce(rank_in_course > 1, false) as is_superseded,
from ranked
