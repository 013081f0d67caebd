{{ config(materialized="table") }}

{#- Whether an identifier may link a patient, and which person it stands for. The whole table is made in each
    build: one hospital's delivery can link a patient of another hospital, whom the delivery does not
    touch. -#}

with sent as (
    select distinct sender_id, hospital_id, patient_key, identifier, link_hash
    from {{ ref('stg_patient_links') }}
),

patients as (
    select
        sender_id, hospital_id, patient_key,
        case when sex in ('female', 'male') and not has_conflict then sex end as sex,
        case when not has_conflict then birth_year end as birth_year,
    from {{ ref('int_patients') }}
),

-- an identifier that several patients of a hospital have (a mother's, a clerk's, a filler) tells none of them
-- apart
owners as (
    select hospital_id, identifier, link_hash, count(distinct patient_key) as patients from sent group by all
),

judged as (
    select
        s.*, p.sex, p.birth_year,
        case
            when s.link_hash is null then 'the identifier is too plain to stand for one person'
            when o.patients > 1 then 'the identifier stands for several patients of the hospital'
            when p.sex is null or p.birth_year is null
                then 'sex or year of birth is not known, or contradicted'
        end as reason,
        coalesce(o.patients = 1, false) as is_own,
    from sent as s
    join patients as p using (sender_id, hospital_id, patient_key)
    left join owners as o using (hospital_id, identifier, link_hash)
)

-- The guard against a false merge is part of the key: a patient of another sex or year of birth is another
-- person.
select
    *,
    case
        when reason is null then md5(concat_ws('|', identifier, link_hash, sex, birth_year))
    end as person_key,
from judged
