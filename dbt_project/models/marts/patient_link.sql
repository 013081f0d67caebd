{{ config(materialized="table") }}

with candidates as (
    select
        person_key, sender_id, hospital_id, patient_key, {{ patient_id() }} as patient_id,
        identifier as link_rule,
    from {{ ref('int_patient_links') }}
    where person_key is not null
)

select * from candidates
qualify min(hospital_id) over (partition by person_key) <> max(hospital_id) over (partition by person_key)
