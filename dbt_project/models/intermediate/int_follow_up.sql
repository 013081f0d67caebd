{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with touched as (
    select s.* exclude (faults, is_rejected) from {{ ref('stg_follow_up') }} as s
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not s.is_rejected
),

patients as (
    {{ known_patients() }}
),

judged as (
    select
        t.* exclude (hospital_id),
        coalesce(t.hospital_id, p.only_hospital) as hospital_id,
        case
            when p.patient_key is null
                then {'rule': 'patient_unknown', 'column_name': 'patient_id', 'found': null::varchar}
            when {{ is_before('t.last_seen_date_iso', 'p.birth_iso') }}
                then {'rule': 'date_before_birth', 'column_name': 'last_seen_date',
                      'found': t.last_seen_date_iso}
        end as fault,
    from touched as t
    left join patients as p using (sender_id, patient_key)
),

-- the latest contact counts for the patient; of two on one day, that of the later delivery
ranked as (
    select
        *,
        case when fault is null then row_number() over (
            partition by fault is null, sender_id, hospital_id, patient_key
            order by last_seen_date desc nulls last, last_seen_date_iso desc nulls last,
                last_seen_offset_days desc nulls last,
                delivery_id desc, source_file desc, source_sheet desc, source_row desc
        ) end as rank_of_contact,
    from judged
)

select
    sender_id, hospital_id, patient_key, last_seen_date, last_seen_date_precision, last_seen_date_iso,
    last_seen_offset_days, status, reason,
    correction_id, delivery_id, load_id, source_file, source_sheet, source_row,
    fault,
    fault is not null as is_rejected,
    coalesce(rank_of_contact > 1, false) as is_superseded,
from ranked
