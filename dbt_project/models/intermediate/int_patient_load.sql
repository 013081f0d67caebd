{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{% set entities = ['patients', 'visits', 'observations', 'antibodies', 'events', 'treatments', 'follow_up'] %}
{% set loads = loads_to_stage() %}
{% set by_visit = ['visits', 'observations', 'antibodies', 'events'] %}

with mentioned as (
    {% for entity in entities %}
    select
        load_id,
        sender_id,
        patient_key,
        {{ 'visit_key' if entity in by_visit else 'null::varchar' }} as visit_key
    from {{ ref('stg_' ~ entity) }}
    where load_id in ({{ loads }})
    {{ "union" if not loop.last }}
    {% endfor %}
)

select * from mentioned
where patient_key is not null or visit_key is not null
