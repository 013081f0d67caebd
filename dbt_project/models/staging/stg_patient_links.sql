{{ config(materialized="view") }}

select l.* from {{ source('raw', 'patient_link') }} as l
where l.load_id in (select load_id from {{ source('raw', 'current_load') }})
