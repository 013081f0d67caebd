{{ config(materialized="table") }}

with mentions as (
    select * from {{ ref('int_patient_load') }}
),

visits as (
    select * from {{ ref('int_visit_patient') }}
),

resolved as (
    select distinct
        m.sender_id,
        coalesce(m.patient_key, v.patient_key, m.visit_key) as patient_key,
        m.load_id,
    from mentions as m
    left join visits as v using (sender_id, visit_key)
),

versioned as (
    select sender_id, patient_key, md5(string_agg(load_id, ',' order by load_id)) as patient_version
    from resolved
    group by all
)

select * from versioned
