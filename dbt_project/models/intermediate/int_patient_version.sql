{{ config(materialized="table") }}

with mentions as (
    select * from {{ ref('int_patient_load') }}
),

visits as (
    select * from {{ ref('int_visit_patient') }}
),

-- a patient is made from the loads and from the corrections of the patient's rows
corrections as (
    select
        sender_id, patient_key, visit_key,
        md5(concat_ws(
            '|', correction_id, load_id, entity, export_id, source_file, source_sheet, source_row,
            source_column, action, field, value_text is null, value_text
        )) as made_from,
    from {{ source('raw', 'registry_corrected_cell') }}
),

together as (
    select sender_id, patient_key, visit_key, load_id as made_from from mentions
    union all
    select sender_id, patient_key, visit_key, made_from from corrections
),

resolved as (
    select distinct
        m.sender_id,
        coalesce(m.patient_key, v.patient_key, m.visit_key) as patient_key,
        m.made_from,
    from together as m
    left join visits as v using (sender_id, visit_key)
    where coalesce(m.patient_key, v.patient_key, m.visit_key) is not null
),

versioned as (
    select sender_id, patient_key, md5(list_sort(list(made_from))::varchar) as patient_version
    from resolved
    group by all
)

select * from versioned
