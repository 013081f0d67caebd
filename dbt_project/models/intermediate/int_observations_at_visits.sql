{{ config(materialized="table") }}

with observations as (
    select * exclude (build_number) from {{ ref('int_observations') }}
    where {{ made_by_this_build() }} and not is_rejected and not is_superseded
),

visits as (
    select v.* from {{ ref('int_visits') }} as v
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

origins as (
    select sender_id, hospital_id, patient_key, origin_date from {{ ref('int_patient_origin') }}
),

settings as (
    select setting_value::double as window_days from (
        select value as setting_value from {{ source('raw', 'registry_setting') }}
        where setting = 'observation_window_days')
),

-- an offset counts from the visit that the row names; if the row names none, from the patient's day 0
keyed as {{ kept_if_few() }} (
    select
        o.*,
        md5(concat_ws(
            '|', o.sender_id, o.hospital_id, o.patient_key, o.concept_id,
            coalesce(o.observed_at::varchar, o.observed_date_iso), o.observed_offset_days, o.visit_key
        )) as observation_key,
        case when o.visit_key is not null then o.observed_offset_days end as offset_from_visit,
        date_diff('day', g.origin_date, o.observed_at::date)::double as dated_days,
        case when o.visit_key is null then coalesce(o.observed_offset_days, dated_days) end as unnamed_days,
    from observations as o
    left join origins as g using (sender_id, hospital_id, patient_key)
),

-- A result belongs to the visit that the hospital names; else to the nearest visit within the registry's
-- window, and of two equally near visits to the earlier one. Results of one day share their visit, which is
-- looked for once.
moments as (
    select distinct sender_id, patient_key, unnamed_days from keyed where unnamed_days is not null
),

nearest as (
    select
        m.sender_id, m.patient_key, m.unnamed_days,
        v.visit_key, v.time_days, v.scheduled_visit, v.is_scheduled,
        abs(m.unnamed_days - v.time_days) as distance_days,
    from moments as m
    join visits as v using (sender_id, patient_key)
    where abs(m.unnamed_days - v.time_days) <= (select window_days from settings)
    qualify row_number() over (
        partition by m.sender_id, m.patient_key, m.unnamed_days
        order by distance_days, v.time_days, v.visit_key) = 1
),

assigned as (
    select
        k.* exclude (visit_key, dated_days, unnamed_days),
        coalesce(k.visit_key, n.visit_key) as visit_key,
        case
            when k.offset_from_visit is not null then v.time_days + k.offset_from_visit
            else coalesce(k.unnamed_days, k.dated_days, v.time_days)
        end as time_days,
        case
            when coalesce(v.is_scheduled, n.is_scheduled) then coalesce(v.scheduled_visit, n.scheduled_visit)
        end as scheduled_visit,
        coalesce(
            abs(coalesce(k.offset_from_visit, k.dated_days - v.time_days)),
            n.distance_days
        ) as distance_days,
    from keyed as k
    left join visits as v
        on v.sender_id = k.sender_id and v.patient_key = k.patient_key and v.visit_key = k.visit_key
    left join nearest as n
        on n.sender_id = k.sender_id and n.patient_key = k.patient_key and n.unnamed_days = k.unnamed_days
),

-- Of several results of a concept at a visit, the one nearest to the visit counts for it, and of two equally
-- near the earlier one.
chosen as (
    select
        *,
        visit_key is not null and row_number() over (
            partition by sender_id, patient_key, visit_key, concept_id
            order by distance_days nulls last, time_days, offset_from_visit, observed_at,
                observation_key) = 1 as is_visit_value,
    from assigned
)

select * from chosen
