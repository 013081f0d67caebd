{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with touched as (
    {{ touched_rows('stg_antibodies') }}
),

patients as (
    {{ known_patients() }}
),

words as (
    {{ words_of('touched', 'antibodies', 'antibody', 'antibody_source') }}
),

names as (
    {{ named('words', 'antibodies', 'antibody_id', 'antibodies', 'antibody_synonyms') }}
),

assay_rules as (
    select * from {{ ref('antibody_rules') }}
),

assay_words as (
    select assay_id, unnest(string_split(assay_synonyms, '|')) as word from assay_rules
    union
    select assay_id, assay_name from assay_rules
),

assay_names as (
    select {{ normalised_name('word') }} as name_normalised, min(assay_id) as assay_id
    from assay_words
    group by all
),

own_assays as (
    select sender_id, source_text, code from {{ source('raw', 'registry_code') }} where kind = 'assays'
),

grades as (
    select {{ folded('grade_text') }} as grade_text, grade, result from {{ ref('antibody_grades') }}
),

-- a text that one maker or one kind of test reads in this way, and others in another
readings as (
    select grade_text, read_of, grade, result from {{ ref('grade_readings') }}
),

understood as (
    select
        t.*,
        p.patient_key is not null as is_known_patient,
        coalesce(t.stated_hospital, p.only_hospital) as hospital_id,
        p.origin_date,
        p.birth_iso,
        n.code as antibody_id,
        n.is_unwanted,
        n.is_doubtful,
        n.possible_ids,
        coalesce(own.code, a.assay_id, case when t.assay_source is null then 'unstated' end) as assay_id,
        {{ graded_text('coalesce(t.result_meant, t.result_text)') }} as grade_text,
    from touched as t
    left join patients as p on p.sender_id = t.sender_id and p.patient_key = t.resolved_patient
    left join names as n on n.sender_id = t.sender_id and n.word = t.antibody_source
    left join own_assays as own on own.sender_id = t.sender_id and own.source_text = trim(t.assay_source)
    left join assay_names as a on a.name_normalised = {{ normalised_name('t.assay_source') }}
),

graded as (
    select
        u.*,
        coalesce(g.grade, own.grade) as grade,
        coalesce(g.result, own.result) as graded_result,
        g.grade_text is null and own.grade_text is null
            and u.grade_text in (select grade_text from readings) as grade_is_doubtful,
    from understood as u
    left join grades as g on g.grade_text = u.grade_text
    left join readings as own on own.grade_text = u.grade_text and own.read_of = u.assay_id
),

ruled as (
    select
        u.*,
        r.rule_id,
        coalesce(
            u.cut_off_number,
            case when r.result_kind = 'numeric' then r.threshold end
        ) as cut_off_of_number,
        coalesce(
            u.cut_off_number,
            case when r.result_kind = 'titre' then r.threshold end
        ) as cut_off_of_titre,
        case
            when u.cut_off_number is null and r.result_kind = 'numeric' then r.borderline_low
        end as borderline_low,
        case
            when u.cut_off_number is null then coalesce(r.result_at_threshold, 'positive')
            else 'positive'
        end as result_at_cut_off,
        u.scale = 'class' and u.cut_off_number is null and u.comparator is null
            and u.value in (0, 1, 2, 3, 4) as is_class,
        u.may_be_class and r.result_kind = 'numeric' and r.threshold > 4 as is_scale_open,
    from graded as u
    left join assay_rules as r on r.assay_id = u.assay_id
),

-- The rule for positivity. A grade in words decides. Else a titre or a number is compared with the cut-off
-- sent, or with the assay's own if none was sent. A limit (<10) decides only where every number that it
-- leaves has one result.
decided as (
    select
        *,
        case
            when graded_result is not null then graded_result
            when is_class then case when value = 0 then 'negative' else 'positive' end
            when scale = 'class' and cut_off_number is null then null
            when is_scale_open then null
            when titre is not null and comparator = '<' then
                case when titre <= cut_off_of_titre then 'negative' end
            when titre is not null and comparator = '<=' then
                case when titre < cut_off_of_titre then 'negative' end
            when titre is not null
                then case
                    when titre >= cut_off_of_titre then 'positive'
                    when comparator is null and titre < cut_off_of_titre then 'negative'
                end
            when comparator = '<' then
                case when value <= coalesce(borderline_low, cut_off_of_number) then 'negative' end
            when comparator = '<=' then
                case when value < coalesce(borderline_low, cut_off_of_number) then 'negative' end
            when value > cut_off_of_number or (value = cut_off_of_number and comparator = '>') then 'positive'
            when value = cut_off_of_number and (comparator is null or result_at_cut_off = 'positive')
                then result_at_cut_off
            when comparator is null and value >= borderline_low then 'borderline'
            when comparator is null and value < cut_off_of_number then 'negative'
        end as result,
        case
            when graded_result is not null then 'grade_in_words'
            when is_class then 'class_as_stated'
            when cut_off_number is not null then 'cut_off_as_sent'
            else rule_id
        end as positivity_rule,
    from ruled
),

judged as (
    select
        *,
        case
            when resolved_patient is null
                then {'rule': 'visit_unknown', 'column_name': 'visit_id', 'found': null::varchar}
            when not is_known_patient
                then {'rule': 'patient_unknown', 'column_name': 'patient_id', 'found': null::varchar}
            when {{ is_before('tested_date_iso', 'birth_iso') }}
                then {'rule': 'date_before_birth', 'column_name': 'tested_on', 'found': tested_date_iso}
            when is_unwanted
                then {'rule': 'antibody_not_wanted', 'column_name': 'antibody', 'found': antibody_source}
            when is_doubtful
                then {'rule': 'antibody_ambiguous', 'column_name': 'antibody', 'found': antibody_source}
            when antibody_id is null
                then {'rule': 'antibody_unknown', 'column_name': 'antibody', 'found': antibody_source}
            when assay_id is null
                then {'rule': 'assay_unknown', 'column_name': 'assay', 'found': assay_source}
            when grade_is_doubtful
                then {'rule': 'grade_ambiguous', 'column_name': 'result', 'found': result_text}
            when result is null and is_scale_open
                then {'rule': 'antibody_scale_unknown', 'column_name': 'result', 'found': result_text}
            when result is null
                then {'rule': 'antibody_result_unreadable', 'column_name': 'result', 'found': result_text}
        end as fault,
    from decided
),

ranked as (
    select
        *,
        case when fault is null then row_number() over test end as rank_in_test,
        first_value(result_text) over test as result_text_that_stands,
    from judged
    window test as (
        partition by fault is null, sender_id, hospital_id, resolved_patient, antibody_id, assay_id,
            tested_date_iso, tested_offset_days
        order by {{ latest_first() }})
)

select
    sender_id, hospital_id, subject_key as patient_key, visit_key, tested_date, tested_date_precision,
    tested_date_iso,
    coalesce(tested_offset_days, date_diff('day', origin_date, tested_date)::double) as time_days,
    antibody_id, possible_ids, {{ sent('antibody_source') }} as antibody_source,
    {{ sent('result_text') }} as result_text,
    {{ sent('assay_source') }} as assay_source, assay_id, {{ sent('cut_off') }} as cut_off, grade, result,
    result = 'positive' as is_positive,
    positivity_rule,
    correction_id, delivery_id, load_id, source_file, source_sheet, source_row, source_column,
    fault,
    fault is not null as is_rejected,
    coalesce(rank_in_test > 1, false) as is_superseded,
    case when rank_in_test > 1 then result_text = result_text_that_stands end as is_same_again,
from ranked
