{{ config(materialized="table", post_hook="{{ put_touched_to_build() }}") }}

{% set built = adapter.get_relation(database=target.database, schema='intermediate', identifier='int_built_patient') %}

with versions as (
    select * from {{ ref('int_patient_version') }}
),

built as (
    {% if built and not flags.FULL_REFRESH %}
    select * from {{ built }}
    {% else %}
    select * from versions limit 0
    {% endif %}
),

touched as (
    select coalesce(v.sender_id, b.sender_id) as sender_id, coalesce(v.patient_key, b.patient_key) as patient_key
    from versions as v
    full join built as b using (sender_id, patient_key)
    where v.patient_version is distinct from b.patient_version
)

select * from touched
