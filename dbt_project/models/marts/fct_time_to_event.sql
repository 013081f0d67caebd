{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

{#-
An endpoint is a day on which time begins, a list of events, a list of competing events, and what censors it:
the last contact, the horizon, or an event that happened on a day nobody knows. We know the patient was
event-free only until the earliest possible day of that event.

Time begins at the baseline, the onset, the first treatment or a scheduled visit. The registry sees a patient
from the baseline on. If time begins before that day, left truncation has the patient count from the baseline:
an earlier event is not one of those that the registry would have seen. The first event after the patient
begins to count is the one that counts.

`myositis ui` asks this same SQL of a release for endpoints that no study file states
(orchestration/results/on_the_spot.py), so it reads only what a release holds.
-#}

with patients as (
    select o.* from {{ ref('dim_patient') }} as o
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

endpoints as (
    select
        endpoint,
        any_value(horizon_months) as horizon_months,
        any_value(origin) as origin,
        any_value(left_truncation) as left_truncation,
    from {{ source('raw', 'registry_endpoint') }}
    group by all
),

first_treatment as (
    select sender_id, patient_key, min(time_days) as treatment_days
    from {{ ref('fct_treatment') }}
    group by all
),

scheduled as (
    select sender_id, patient_key, scheduled_visit, min(time_days) as visit_days
    from {{ ref('fct_visit') }}
    where is_scheduled
    group by all
),

begun as (
    select
        p.sender_id, p.hospital_id, p.patient_key, p.baseline_date, p.baseline_days,
        e.endpoint, e.horizon_months, e.origin,
        case e.origin
            when 'baseline' then p.baseline_days
            when 'onset' then p.baseline_days - p.disease_duration_months * {{ days_per_month() }}
            when 'first_treatment' then m.treatment_days
            else v.visit_days
        end as origin_days,
        case
            when e.left_truncation then greatest(p.baseline_days - origin_days, 0) else 0
        end as entry_days,
    from patients as p
    cross join endpoints as e
    left join first_treatment as m using (sender_id, patient_key)
    left join scheduled as v
        on v.sender_id = p.sender_id and v.patient_key = p.patient_key and v.scheduled_visit = e.origin
),

-- the day on which the patient begins to count, in days and, where the source has dates, as a date
origins as (
    select
        *,
        origin_days + entry_days as from_days,
        baseline_date + (from_days - baseline_days)::integer as from_date,
    from begun
),

sources as (
    select endpoint, role, event_id from {{ source('raw', 'registry_endpoint') }}
),

occurrences as (
    select
        e.sender_id, e.patient_key, s.endpoint, s.role, e.time_days, e.event_date_iso, e.event_date_precision
    from {{ ref('fct_event') }} as e
    join sources as s using (event_id)
    where e.status = 'present'
),

first_events as (
    select
        o.sender_id, o.hospital_id, o.patient_key, o.endpoint,
        min(x.time_days) filter (where x.role = 'event') as event_days,
        min(x.time_days) filter (where x.role = 'competing') as competing_days,
    from origins as o
    join occurrences as x
        on x.sender_id = o.sender_id and x.patient_key = o.patient_key and x.endpoint = o.endpoint
        and x.time_days > o.from_days
    group by all
),

-- an event of 2021-03 happened on its first day at the earliest; an event without a date, on any day after
-- the patient began to count
undated as (
    select
        x.*,
        try_cast(rpad(event_date_iso, 10, '-01-01') as date) as earliest,
        case event_date_precision
            when 'month' then earliest + interval 1 month
            when 'year' then earliest + interval 1 year
            else earliest + interval 1 day
        end as later_than_any,
    from occurrences as x
    where x.time_days is null
),

first_undated as (
    select
        o.sender_id, o.hospital_id, o.patient_key, o.endpoint,
        min(
            o.entry_days + greatest(coalesce(date_diff('day', o.from_date, x.earliest), 0), 0)
        ) as undated_days,
    from origins as o
    join undated as x
        on x.sender_id = o.sender_id and x.patient_key = o.patient_key and x.endpoint = o.endpoint
    where coalesce(x.later_than_any > o.from_date + interval 1 day, true)
    group by all
),

-- we know that a patient was under observation up to the last follow-up contact, visit or result
last_contact as (
    select
        sender_id, patient_key, max(days) as last_days,
        max(days) filter (where is_follow_up) as follow_up_days
    from (
        select sender_id, patient_key, last_seen_days as days, true as is_follow_up
        from {{ ref('fct_follow_up') }}
        union all
        select sender_id, patient_key, time_days, false from {{ ref('fct_visit') }}
    )
    group by all
),

timed as (
    select
        o.sender_id, o.hospital_id, o.patient_key, o.endpoint, o.origin, o.horizon_months,
        o.origin_days, o.entry_days,
        o.baseline_date + (o.origin_days - o.baseline_days)::integer as origin_date,
        o.horizon_months * {{ days_per_month() }} as horizon_days,
        f.event_days - o.origin_days as event_days,
        f.competing_days - o.origin_days as competing_days,
        c.last_days - o.origin_days as last_days,
        n.undated_days,
        u.status as follow_up_status,
    from origins as o
    left join first_events as f using (sender_id, hospital_id, patient_key, endpoint)
    left join first_undated as n using (sender_id, hospital_id, patient_key, endpoint)
    left join last_contact as c using (sender_id, patient_key)
    left join {{ ref('fct_follow_up') }} as u using (sender_id, hospital_id, patient_key)
),

ended as (
    select
        *,
        coalesce(
            event_days <= least(horizon_days, coalesce(competing_days, horizon_days)),
            false
        ) as is_event,
        coalesce(
            competing_days < coalesce(event_days, 'infinity'::double) and competing_days <= horizon_days,
            false
        ) as is_competing,
        not is_event and coalesce(undated_days < least(horizon_days, competing_days), false) as is_undated,
    from timed
),

stated as (
    select
        *,
        case
            when is_event then event_days
            when is_undated then case when origin_days is not null then undated_days end
            when is_competing then competing_days
            when last_days >= entry_days then least(last_days, horizon_days)
        end as time_days,
    from ended
)

select
    sender_id, hospital_id, patient_key, {{ patient_id() }} as patient_id, endpoint,
    origin_date as start_date,
    origin_date + time_days::integer as end_date,
    time_days,
    time_days / {{ days_per_month() }} as time_months,
    origin_days,
    entry_days / {{ days_per_month() }} as entry_months,
    is_event,
    is_competing and not is_undated as is_competing,
    is_event
        or (not is_undated and (is_competing or coalesce(last_days >= horizon_days, false))) as outcome_known,
    case
        when is_event then null
        when origin_days is null then 'the day on which time begins is not known'
        when is_undated then 'an event on an unknown day'
        when is_competing then 'competing event'
        when last_days is null or last_days < entry_days
            then concat('never seen after ', replace(origin, '_', ' '))
        when last_days >= horizon_days then 'end of the endpoint''s horizon'
        when follow_up_status in ('lost', 'died', 'transferred') then follow_up_status
        else 'end of the data'
    end as censor_reason,
from stated
