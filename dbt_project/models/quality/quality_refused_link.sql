{{ config(materialized="view", alias="refused_link") }}

with candidates as (
    select * from {{ ref('int_patient_links') }}
),

of_one as (
    select
        identifier as link_rule, hospital_id, patient_key,
        null::varchar as other_hospital_id, null::varchar as other_patient_key, reason,
    from candidates
    where not is_own
),

of_two as (
    select
        a.identifier as link_rule, a.hospital_id, a.patient_key,
        b.hospital_id as other_hospital_id, b.patient_key as other_patient_key,
        coalesce(a.reason, b.reason, 'sex or year of birth differ') as reason,
    from candidates as a
    join candidates as b
        on a.identifier = b.identifier and a.link_hash = b.link_hash and a.hospital_id < b.hospital_id
    where a.is_own and b.is_own and coalesce(a.person_key <> b.person_key, true)
)

select * from of_one
union all
select * from of_two
