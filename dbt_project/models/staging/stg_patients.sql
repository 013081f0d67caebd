{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('patients', dates=['birth_date', 'onset_date', 'diagnosis_date', 'origin_date'],
          texts=['sex', 'birth_year', 'age_at_onset', 'disease_duration', 'diagnosis']) }},

read as (
    select
        *,
        case when not birth_year_is_missing then try_cast({{ half_width('birth_year') }} as integer) end as birth_year_number,
        case when not age_at_onset_is_missing then {{ number('age_at_onset', 'decimal_mark') }} end as age_at_onset_years,
        case when not disease_duration_is_missing then {{ number('disease_duration', 'decimal_mark') }} end as disease_duration_months,
    from typed
),

coded as (
    select
        r.*,
        coalesce(own.code, shipped.sex) as sex_code,
    from read as r
    left join {{ source('raw', 'registry_code') }} as own
        on own.kind = 'sex' and own.sender_id = r.sender_id and own.source_text = trim(r.sex)
    left join {{ ref('sex_codes') }} as shipped on shipped.sex_text = lower(trim(r.sex))
),

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null)', 'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(sex is not null and not sex_is_missing and sex_code is null)',
             'rule': 'sex_unknown_word', 'column': 'sex', 'found': 'sex'},
            {'when': '(not birth_year_is_missing and birth_year_number is null)',
             'rule': 'not_a_number', 'column': 'birth_year', 'found': 'birth_year'},
            {'when': '(not age_at_onset_is_missing and age_at_onset_years is null)',
             'rule': 'not_a_number', 'column': 'age_at_onset', 'found': 'age_at_onset'},
            {'when': '(not disease_duration_is_missing and disease_duration_months is null)',
             'rule': 'not_a_number', 'column': 'disease_duration', 'found': 'disease_duration'},
        ] + date_faults('birth_date', 'birth_date_times') + date_faults('onset_date', 'onset_date_times')
          + date_faults('diagnosis_date', 'diagnosis_date_times') + date_faults('origin_date', 'origin_date_times')) }} as faults,
    from coded
)

select
    {{ provenance('judged') }},
    patient_key,
    sex_code as sex,
    {{ the_time('birth_date_times') }}::date as birth_date,
    coalesce(birth_year_number, case when len(birth_date_times) = 1 then year(birth_date_times[1].at) end) as birth_year,
    {{ known_date('onset_date_times', 'onset_date') }},
    {{ the_time('diagnosis_date_times') }}::date as diagnosis_date,
    {{ the_time('origin_date_times') }}::date as origin_date,
    age_at_onset_years,
    disease_duration_months,
    case when not diagnosis_is_missing then diagnosis end as diagnosis,
    correction_id,
    faults,
    patient_key is null or {{ is_set_aside() }} as is_rejected,
from judged
