{{ config(materialized="table") }}

with visits as (
    select sender_id, visit_key, patient_key, hospital_id, delivery_id, source_row
    from {{ ref('stg_visits') }}
    where visit_key is not null and not is_rejected
),

latest as (
    select sender_id, visit_key, patient_key, hospital_id from visits
    qualify row_number() over (
        partition by sender_id, visit_key order by delivery_id desc, source_row desc, patient_key asc) = 1
)

select * from latest
