{{ config(materialized="table") }}

{#- What is known of each criterion that is asked of a patient's whole course: true, false, or null where an
    input is missing. -#}

with patients as (
    select
        p.sender_id, p.hospital_id, p.patient_key, p.sex,
        coalesce(p.age_at_onset_years, {{ years_between('p.birth_date', 'p.onset_date') }}) as age_at_onset,
    from {{ ref('int_patients') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

inputs as (
    select i.* from {{ ref('definition_inputs') }} as i
    join {{ ref('definitions') }} as d using (definition_id)
    where d.period = 'ever'
),

events as (
    select
        e.sender_id, e.hospital_id, e.patient_key, e.event_id as input_id,
        case
            when bool_or(e.status = 'present') then true
            when bool_or(e.status = 'absent') then false
        end as state,
        min(coalesce(e.event_offset_days, date_diff('day', o.origin_date, e.event_date)::double))
            filter (where e.status = 'present') as since_days,
    from {{ ref('int_events') }} as e
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    left join {{ ref('int_patient_origin') }} as o using (sender_id, hospital_id, patient_key)
    where not e.is_rejected and not e.is_superseded
        and e.event_id in (select input_id from inputs where input_kind = 'event')
    group by all
),

-- Some senders list only what happened: a complication that they do not list did not happen. This does not
-- hold for a sign, which somebody has to look for.
unlisted as (
    select s.sender_id, y.event_id
    from {{ source('raw', 'registry_sender') }} as s
    cross join {{ ref('event_types') }} as y
    where s.unlisted_events = 'absent' and y.category in ('complication', 'malignancy', 'relapse', 'death')
),

-- The upper limit of normal is the limit sent with the result, else the adults' limit of the procedure.
-- Children have no limit but the one sent.
results as (
    select
        o.sender_id, o.hospital_id, o.patient_key, o.concept_id, o.time_days, o.comparator,
        {{ upper_reference_limit('o.reference_range', 'p.sex') }} as sent_limit,
        o.value,
        {{ number_or_limit('o') }} as number_canonical,
        case when p.age_at_onset >= l.from_age_years then l.upper_limit end as adult_limit,
    from {{ ref('int_observations_at_visits') }} as o
    join patients as p using (sender_id, hospital_id, patient_key)
    left join {{ ref('reference_limits') }} as l
        on l.concept_id = o.concept_id and l.sex = p.sex
    where o.concept_id in (select input_id from inputs where input_kind = 'above_reference')
),

compared as (
    select
        *,
        case
            when sent_limit is not null then {{ is_above('value', 'comparator', 'sent_limit') }}
            else {{ is_above('number_canonical', 'comparator', 'adult_limit') }}
        end as is_above,
    from results
),

enzymes as (
    select
        sender_id, hospital_id, patient_key, concept_id as input_id,
        case when bool_or(is_above) then true when bool_or(not is_above) then false end as state,
        min(time_days) filter (where is_above) as since_days,
    from compared
    group by all
),

antibodies as (
    select
        a.sender_id, a.hospital_id, a.patient_key, a.antibody_id as input_id,
        case
            when bool_or(a.is_positive) then true
            when bool_or(a.result = 'negative') then false
        end as state,
        min(a.time_days) filter (where a.is_positive) as since_days,
    from {{ ref('int_antibody_results') }} as a
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not a.is_rejected and not a.is_superseded
        and a.antibody_id in (select input_id from inputs where input_kind = 'antibody')
    group by all
),

known as (
    select *, 'event' as input_kind from events
    union all
    select *, 'above_reference' from enzymes
    union all
    select *, 'antibody' from antibodies
),

asked as (
    select
        p.sender_id, p.hospital_id, p.patient_key, i.definition_id, i.criterion_id, i.input_id, i.evidence,
        k.since_days,
        case
            when i.input_kind = 'patient'
                then p.age_at_onset >= i.at_least and coalesce(p.age_at_onset < i.below, true)
            when k.patient_key is null then case when u.event_id is not null then false end
            else k.state
        end as state,
        i.input_id || case when i.input_kind = 'above_reference' and k.patient_key is not null
            then ' (upper limit of normal)' else '' end as missing,
    from patients as p
    cross join inputs as i
    left join known as k
        on k.sender_id = p.sender_id and k.hospital_id = p.hospital_id and k.patient_key = p.patient_key
        and k.input_kind = i.input_kind and k.input_id = i.input_id
    left join unlisted as u
        on u.sender_id = p.sender_id and u.event_id = case when i.input_kind = 'event' then i.input_id end
),

-- One present input makes a criterion true. It is false when all inputs that decide are absent, or when an
-- input that excludes is absent.
judged as (
    select
        sender_id, hospital_id, patient_key, definition_id, criterion_id,
        case
            when bool_or(state) filter (where evidence <> 'excludes') then true
            when bool_or(not state) filter (where evidence = 'excludes') then false
            when bool_and(coalesce(not state, false)) filter (where evidence = 'decides') then false
        end as state,
        min(since_days) filter (where state and evidence <> 'excludes') as since_days,
        list(input_id order by input_id) filter (where state is not null) as inputs_used,
        list(missing order by missing) filter (where state is null and evidence = 'decides') as open_inputs,
    from asked
    group by all
)

select * exclude (open_inputs), case when state is null then open_inputs end as inputs_missing,
from judged
