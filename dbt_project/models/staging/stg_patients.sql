{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('patients', dates=['birth_date', 'onset_date', 'diagnosis_date', 'origin_date'],
          texts=['sex', 'birth_year', 'age_at_onset', 'disease_duration', 'diagnosis']) }},

read as (
    select
        *,
        case
            when not birth_year_is_missing then try_cast({{ half_width('birth_year') }} as integer)
        end as birth_year_number,
        case
            when not age_at_onset_is_missing then {{ span('age_at_onset', 'years', 'decimal_mark') }}
        end as age_read,
        case when not age_at_onset_is_missing then {{ comparator('age_at_onset') }} end as age_comparator,
        case
            when not disease_duration_is_missing then {{ span('disease_duration', 'months', 'decimal_mark') }}
        end as duration_read,
        case
            when not disease_duration_is_missing then {{ comparator('disease_duration') }}
        end as duration_comparator,
    from typed
),

-- the words of one column of one delivery: M beside F is another word than M beside H
columns as (
    select load_id, export_id, sender_id, list(distinct {{ folded('sex') }}) as words
    from read
    where sex is not null
    group by all
),

sexes as (
    {{ sexes_read('columns') }}
),

doubtful_sexes as (
    select {{ folded('word') }} as word from {{ ref('ambiguous_words') }} where kind = 'sex'
),

coded as (
    select
        r.*,
        age_read < 0 or age_read > {{ longest_life() }} as is_age_impossible,
        duration_read < 0 or duration_read > 12 * {{ longest_life() }} as is_duration_impossible,
        {{ impossible_year('birth_year_number') }} as birth_year_impossible,
        coalesce(own.code, shipped.sex) as sex_code,
        two.word is not null as sex_is_doubtful,
    from read as r
    left join {{ source('raw', 'registry_code') }} as own
        on own.kind = 'sex' and own.sender_id = r.sender_id and own.source_text = trim(r.sex)
    left join sexes as shipped
        on shipped.load_id = r.load_id and shipped.export_id = r.export_id
        and shipped.word = {{ folded('r.sex') }}
    left join doubtful_sexes as two on two.word = {{ folded('r.sex') }}
),

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null)',
             'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(sex is not null and not sex_is_missing and sex_code is null and sex_is_doubtful)',
             'rule': 'sex_ambiguous', 'column': 'sex', 'found': 'sex'},
            {'when': '(sex is not null and not sex_is_missing and sex_code is null and not sex_is_doubtful)',
             'rule': 'sex_unknown_word', 'column': 'sex', 'found': 'sex'},
            {'when': '(not birth_year_is_missing and birth_year_number is null)',
             'rule': 'not_a_number', 'column': 'birth_year', 'found': 'birth_year'},
            {'when': '(birth_year_impossible is not null)',
             'rule_of': 'birth_year_impossible', 'column': 'birth_year', 'found': 'birth_year'},
            {'when': '(not age_at_onset_is_missing and age_read is null)',
             'rule': 'not_a_number', 'column': 'age_at_onset', 'found': 'age_at_onset'},
            {'when': '(is_age_impossible)',
             'rule': 'age_impossible', 'column': 'age_at_onset', 'found': 'age_at_onset'},
            {'when': '(age_comparator is not null and age_read is not null and not is_age_impossible)',
             'rule': 'number_is_a_limit', 'column': 'age_at_onset', 'found': 'age_at_onset'},
            {'when': '(not disease_duration_is_missing and duration_read is null)',
             'rule': 'not_a_number', 'column': 'disease_duration', 'found': 'disease_duration'},
            {'when': '(is_duration_impossible)',
             'rule': 'duration_impossible', 'column': 'disease_duration', 'found': 'disease_duration'},
            {'when': '(duration_comparator is not null and duration_read is not null'
                     ' and not is_duration_impossible)',
             'rule': 'number_is_a_limit', 'column': 'disease_duration', 'found': 'disease_duration'},
            {'when': '(len(diagnosis_date_times) = 1 and diagnosis_date_times[1].precision <> \'day\')',
             'rule': 'date_not_whole', 'column': 'diagnosis_date', 'found': 'diagnosis_date'},
            {'when': '(len(origin_date_times) = 1 and origin_date_times[1].precision <> \'day\')',
             'rule': 'date_not_whole', 'column': 'origin_date', 'found': 'origin_date'},
        ] + date_faults('birth_date', 'birth_date_times') + date_faults('onset_date', 'onset_date_times')
          + date_faults('diagnosis_date', 'diagnosis_date_times')
          + date_faults('origin_date', 'origin_date_times')) }} as faults,
    from coded
)

select
    {{ provenance('judged') }},
    patient_key,
    sex_code as sex,
    {{ the_time('birth_date_times') }}::date as birth_date,
    coalesce(
        case when birth_year_impossible is null then birth_year_number end,
        case when len(birth_date_times) = 1 then year(birth_date_times[1].at) end
    ) as birth_year,
    {{ known_date('onset_date_times', 'onset_date') }},
    {{ the_time('diagnosis_date_times') }}::date as diagnosis_date,
    {{ the_time('origin_date_times') }}::date as origin_date,
    case when not is_age_impossible and age_comparator is null then age_read end as age_at_onset_years,
    case
        when not is_duration_impossible and duration_comparator is null then duration_read
    end as disease_duration_months,
    case when not diagnosis_is_missing then diagnosis end as diagnosis,
    least(
        not_before,
        case when birth_year_impossible = 'date_after_today' then make_date(birth_year_number, 1, 1) end
    ) as not_before,
    correction_id,
    faults,
    patient_key is null or {{ is_set_aside() }} as is_rejected,
from judged
