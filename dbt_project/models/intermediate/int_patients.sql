{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with staged as (
    select p.* from {{ ref('stg_patients') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not p.is_rejected
),

-- of each attribute the latest delivery's last filled value
merged as (
    select
        sender_id,
        hospital_id,
        patient_key,
        {% for c in ['sex', 'birth_year', 'birth_date', 'onset_date', 'onset_date_iso', 'diagnosis_date', 'origin_date', 'age_at_onset_years',
                     'disease_duration_months', 'diagnosis'] %}
        arg_max({{ c }}, (delivery_id, source_file, coalesce(source_sheet, ''), source_row)) filter (where {{ c }} is not null) as {{ c }},
        {% endfor %}
        string_agg(distinct correction_id, ', ' order by correction_id) as correction_id,
        count(distinct sex) > 1 or count(distinct birth_year) > 1 as has_conflict,
        arg_max({'delivery_id': delivery_id, 'source_file': source_file, 'source_sheet': source_sheet, 'source_row': source_row},
            (delivery_id, source_file, coalesce(source_sheet, ''), source_row)) as source,
    from staged
    where hospital_id is not null
    group by all
)

select * from merged
