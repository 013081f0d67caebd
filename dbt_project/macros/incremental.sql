{#
How an incremental build equals a full one.

Staging is kept by load: rows of loads that the ledger no longer holds in force go, rows of loads not yet staged come.
Everything behind it is kept by patient: a patient is touched when the set of loads that mention them changed since the
last finished build (int_touched_patient); rows of touched patients go, and are made anew from all of their staged rows.
Both steps of a model run in one transaction. A load whose corrections changed is staged again, and the patients of its
corrected rows count as touched (int_patient_version).
#}

{% macro forget_loads() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where load_id not in (select load_id from {{ source('raw', 'current_load') }})
            or load_id in (select load_id from {{ source('raw', 'registry_load_to_restage') }})
    {%- endif -%}
{%- endmacro %}

{% macro loads_to_stage() -%}
    select load_id from {{ source('raw', 'current_load') }}
    {%- if is_incremental() %}
    where load_id not in (select distinct load_id from {{ this }})
    {%- endif %}
{%- endmacro %}

{% macro forget_touched() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where (sender_id, patient_key) in (select (sender_id, patient_key) from {{ ref('int_touched_patient') }})
    {%- endif -%}
{%- endmacro %}
