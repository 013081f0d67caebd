{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

{#-
An endpoint is a list of events, a list of competing events, and what censors it: the last contact, the
horizon, or an event that happened on a day nobody knows. We know the patient was event-free only until the
earliest possible day of that event.
-#}

with origins as (
    select o.* from {{ ref('int_patient_origin') }} as o
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

endpoints as (
    select endpoint, any_value(horizon_months) as horizon_months
    from {{ source('raw', 'registry_endpoint') }}
    group by all
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
        o.sender_id, o.hospital_id, o.patient_key, x.endpoint,
        min(x.time_days) filter (where x.role = 'event') as event_days,
        min(x.time_days) filter (where x.role = 'competing') as competing_days,
    from origins as o
    join occurrences as x
        on x.sender_id = o.sender_id and x.patient_key = o.patient_key and x.time_days > o.baseline_days
    group by all
),

-- an event of 2021-03 happened on its first day at the earliest; an event without a date, on any day after
-- baseline
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
        o.sender_id, o.hospital_id, o.patient_key, x.endpoint,
        min(greatest(coalesce(date_diff('day', o.baseline_date, x.earliest), 0), 0)) as undated_days,
    from origins as o
    join undated as x on x.sender_id = o.sender_id and x.patient_key = o.patient_key
    where coalesce(x.later_than_any > o.baseline_date + interval 1 day, true)
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
        o.sender_id, o.hospital_id, o.patient_key, o.baseline_date, o.baseline_days,
        p.endpoint, p.horizon_months,
        p.horizon_months * {{ days_per_month() }} as horizon_days,
        f.event_days - o.baseline_days as event_days,
        f.competing_days - o.baseline_days as competing_days,
        c.last_days - o.baseline_days as last_days,
        n.undated_days,
        u.status as follow_up_status,
    from origins as o
    cross join endpoints as p
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
            when is_undated then case when baseline_days is not null then undated_days end
            when is_competing then competing_days
            else least(last_days, horizon_days)
        end as time_days,
    from ended
)

select
    sender_id, hospital_id, patient_key, {{ patient_id() }} as patient_id, endpoint,
    baseline_date as start_date,
    baseline_date + time_days::integer as end_date,
    time_days,
    time_days / {{ days_per_month() }} as time_months,
    is_event,
    is_competing and not is_undated as is_competing,
    is_event
        or (not is_undated and (is_competing or coalesce(last_days >= horizon_days, false))) as outcome_known,
    case
        when is_event then null
        when is_undated then 'an event on an unknown day'
        when is_competing then 'competing event'
        when last_days is null then 'never seen after baseline'
        when last_days >= horizon_days then 'end of the endpoint''s horizon'
        when follow_up_status in ('lost', 'died', 'transferred') then follow_up_status
        else 'end of the data'
    end as censor_reason,
from stated
