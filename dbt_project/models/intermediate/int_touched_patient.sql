{{ config(materialized="table", post_hook="{{ put_touched_to_build() }}") }}

{% set built = built_patients() %}

with versions as (
    select * from {{ ref('int_patient_version') }}
),

built as (
    {% if built %}
    select * from {{ built }}
    {% else %}
    select *, null::integer as build_number from versions limit 0
    {% endif %}
),

touched as (
    select
        coalesce(v.sender_id, b.sender_id) as sender_id,
        coalesce(v.patient_key, b.patient_key) as patient_key,
        b.build_number as last_build_number,
        (select coalesce(max(build_number), 0) + 1 from built) as build_number,
    from versions as v
    full join built as b using (sender_id, patient_key)
    where {{ "true" if flags.FULL_REFRESH else "v.patient_version is distinct from b.patient_version" }}
)

select * from touched
