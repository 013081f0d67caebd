{{ config(materialized="table") }}

{#- Results at one time: each ferritin with the results measured within its window. A patient without a
    ferritin: each other result. -#}

with patients as (
    select p.sender_id, p.hospital_id, p.patient_key from {{ ref('int_patients') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

needed as (
    select criteria_needed from {{ ref('definitions') }} where definition_id = 'mas_2016'
),

-- the published thresholds, in the unit in which the marts hold the value
thresholds as (
    select
        i.criterion_id, i.input_id as concept_id, i.above is not null as is_above, s.is_required,
        d.window_days,
        round(
            coalesce(i.above, i.at_most) * case when i.unit = c.unit_canonical then 1 else r.factor end,
            9
        ) as threshold,
    from {{ ref('definition_inputs') }} as i
    join {{ ref('definition_criteria') }} as s using (definition_id, criterion_id)
    join {{ ref('definitions') }} as d using (definition_id)
    join {{ ref('concepts') }} as c on c.concept_id = i.input_id
    left join {{ ref('unit_conversions') }} as r
        on r.unit_from = i.unit and r.unit_to = c.unit_canonical and r.concept_id in (i.input_id, '*')
    where i.definition_id = 'mas_2016'
    qualify row_number() over (partition by i.criterion_id order by r.concept_id = '*' nulls last) = 1
),

results as (
    select
        o.sender_id, o.hospital_id, o.patient_key, o.time_days, h.criterion_id,
        {{ is_above('round(' ~ number_or_limit('o') ~ ', 9)', 'o.comparator', 'h.threshold') }}
            = h.is_above as state,
    from {{ ref('int_observations_at_visits') }} as o
    join thresholds as h using (concept_id)
    where o.time_days is not null
),

times as (
    select distinct sender_id, hospital_id, patient_key, time_days from results
    qualify criterion_id = 'ferritin'
        or not bool_or(criterion_id = 'ferritin') over (partition by sender_id, hospital_id, patient_key)
),

-- Results are grouped by stretches as long as the window. A result within the window of a time lies in the
-- time's own stretch or in one beside it, so a patient's results need not all be compared with each other. (A
-- left join on a distance would compare all with all.)
placed as (
    select r.*, floor(r.time_days / greatest(h.window_days, 1)) as stretch
    from results as r
    join thresholds as h using (criterion_id)
),

around as (
    select t.*, h.criterion_id, h.window_days,
        floor(t.time_days / greatest(h.window_days, 1)) + unnest([-1, 0, 1]) as stretch,
    from times as t
    cross join thresholds as h
),

-- of several results in the window, one that is beyond its threshold counts
found as (
    select
        t.sender_id, t.hospital_id, t.patient_key, t.time_days, t.criterion_id,
        case when bool_or(r.state) then true when bool_or(not r.state) then false end as state,
    from around as t
    join placed as r using (sender_id, hospital_id, patient_key, criterion_id, stretch)
    where abs(r.time_days - t.time_days) <= t.window_days
    group by all
),

criteria as (
    select t.*, h.criterion_id, h.is_required, f.state,
    from times as t
    cross join thresholds as h
    left join found as f using (sender_id, hospital_id, patient_key, time_days, criterion_id)
),

counted as (
    select
        sender_id, hospital_id, patient_key, time_days,
        bool_and(coalesce(state, false)) filter (where is_required)
            and count(*) filter (where state and not is_required)
            >= (select criteria_needed from needed) as is_met,
        bool_and(coalesce(state, true)) filter (where is_required)
            and count(*) filter (where coalesce(state, true) and not is_required)
            >= (select criteria_needed from needed) as may_be_met,
        string_agg(criterion_id, ', ' order by criterion_id) filter (where state) as criteria_met,
        string_agg(criterion_id, ', ' order by criterion_id) filter (where state is not null) as inputs_used,
        string_agg(criterion_id, ', ' order by criterion_id) filter (where state is null) as inputs_missing,
        count(*) filter (where state is null) as n_missing,
    from criteria
    group by all
),

-- The first time at which it is met; else the open time that lacks the fewest results; else the first time.
told as (
    select * from counted
    qualify row_number() over (
        partition by sender_id, hospital_id, patient_key
        order by is_met desc, may_be_met desc, case when is_met then 0 else n_missing end asc,
            time_days asc) = 1
)

select
    p.sender_id, p.hospital_id, p.patient_key, 'mas_2016' as definition_id,
    {{ status_of('t.is_met', 'coalesce(t.may_be_met, true)') }} as status,
    t.time_days,
    t.criteria_met,
    t.inputs_used,
    case
        when t.patient_key is null
            then (select string_agg(criterion_id, ', ' order by criterion_id) from thresholds)
        else t.inputs_missing
    end as inputs_missing,
from patients as p
left join told as t using (sender_id, hospital_id, patient_key)
