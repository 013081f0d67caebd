{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with touched as (
    {{ touched_rows('stg_events') }}
),

patients as (
    {{ known_patients() }}
),

words as (
    {{ words_of(with_other_names('touched', 'event_source'), 'events', 'event', 'event_source') }}
),

names as (
    {{ named('words', 'events', 'event_id', 'event_types', 'event_synonyms') }}
),

several as (
    {{ one_of_several('touched', 'event_source') }}
),

own_status as (
    select sender_id, source_text, code from {{ source('raw', 'registry_code') }} where kind = 'event_status'
),

doubtful_status as (
    select {{ folded('word') }} as word from {{ ref('ambiguous_words') }} where kind = 'event_status'
),

-- a doubtful word has the meaning that it has in the sender's language
shipped_status as (
    select l.sender_id, {{ folded('s.status_text') }} as status_text, min(s.status) as status
    from {{ ref('event_status') }} as s
    cross join {{ source('raw', 'registry_sender') }} as l
    where list_contains(string_split(s.language, ' '), l.language)
        or {{ folded('s.status_text') }} not in (select word from doubtful_status)
    group by all
),

understood as (
    select
        t.*,
        p.patient_key is not null as is_known_patient,
        coalesce(t.stated_hospital, p.only_hospital) as hospital_id,
        p.origin_date,
        p.birth_iso,
        p.onset_date_iso,
        coalesce(v.chosen, t.event_source) as word,
        coalesce(v.is_conflicting, false) as is_conflicting,
        v.candidates,
        n.code as event_id,
        n.is_unwanted,
        n.is_doubtful,
        two.word is not null as status_is_doubtful,
        case
            when t.status_text is null then 'present'
            when t.status_is_missing then 'unknown'
            else coalesce(own.code, s.status)
        end as status,
    from touched as t
    left join patients as p on p.sender_id = t.sender_id and p.patient_key = t.resolved_patient
    left join several as v
        on v.sender_id = t.sender_id and v.event_source is not distinct from t.event_source
        and v.other_names = t.other_names
    left join names as n on n.sender_id = t.sender_id and n.word = coalesce(v.chosen, t.event_source)
    left join own_status as own on own.sender_id = t.sender_id and own.source_text = trim(t.status_text)
    left join shipped_status as s
        on s.sender_id = t.sender_id and s.status_text = {{ folded('t.status_text') }}
    left join doubtful_status as two on two.word = {{ folded('t.status_text') }}
),

judged as (
    select
        *,
        case
            when resolved_patient is null
                then {'rule': 'visit_unknown', 'column_name': 'visit_id', 'found': null::varchar}
            when not is_known_patient
                then {'rule': 'patient_unknown', 'column_name': 'patient_id', 'found': null::varchar}
            when {{ is_before('event_date_iso', 'birth_iso') }}
                then {'rule': 'date_before_birth', 'column_name': 'event_date', 'found': event_date_iso}
            when is_conflicting
                then {'rule': 'codes_disagree', 'column_name': 'event', 'found': candidates}
            when is_unwanted then {'rule': 'event_not_wanted', 'column_name': 'event', 'found': word}
            when is_doubtful then {'rule': 'event_ambiguous', 'column_name': 'event', 'found': word}
            when event_id is null
                then {'rule': 'event_unknown', 'column_name': 'event', 'found': word}
            when status is null and status_is_doubtful
                then {'rule': 'status_ambiguous', 'column_name': 'status', 'found': status_text}
            when status is null
                then {'rule': 'status_unknown_word', 'column_name': 'status', 'found': status_text}
        end as fault,
    from understood
),

-- A known status goes before an unknown one of the same delivery, in whichever order the rows stand.
ranked as (
    select
        *,
        case when fault is null then row_number() over event end as rank_in_event,
        first_value(status) over event as status_that_stands,
    from judged
    window event as (
        partition by fault is null, sender_id, hospital_id, resolved_patient, event_id, event_date_iso,
            event_offset_days
        order by delivery_id desc, status = 'unknown', {{ latest_first() }})
)

select
    sender_id, hospital_id, subject_key as patient_key, visit_key, event_id, event_date, event_date_precision,
    event_date_iso,
    coalesce(event_offset_days, date_diff('day', origin_date, event_date)::double) as offset_or_origin_days,
    event_offset_days, status, detail, event_source,
    correction_id, delivery_id, load_id, source_file, source_sheet, source_row, source_column,
    -- unlikely, so it is asked about: the disease may have been there before anybody named it
    case
        when fault is null and event_id = 'relapse' and status = 'present'
            and {{ is_before('event_date_iso', 'onset_date_iso') }}
            then {'rule': 'relapse_before_onset', 'column_name': 'event_date', 'found': event_date_iso}
    end as note,
    fault,
    fault is not null as is_rejected,
    coalesce(rank_in_event > 1, false) as is_superseded,
    case when rank_in_event > 1 then status = status_that_stands end as is_same_again,
from ranked
