{#
How an incremental build equals a full one.

Staging is kept by load: rows of loads that the ledger no longer holds in force go, rows of loads not yet staged come.
What is read later is kept by patient: a patient is touched when the set of loads that mention them changed since the
last finished build (int_touched_patient); rows of touched patients go, and are made anew from all of their staged rows.
Both steps of a model run in one transaction. A load whose corrections changed is staged again, and the patients of its
corrected rows count as touched (int_patient_version).

What only lies between (int_observations_at_visits, the criteria of definitions) is a plain table of the touched patients' rows.

In the two tables of many rows each row keeps the number of the build that made it, and int_built_patient keeps each patient's.
DuckDB passes over row groups whose numbers are none of those sought, so a delivery looks at the builds of its patients, not at
all of the warehouse. Without int_built_patient every patient is touched and every row is looked at. A build that breaks leaves its number to the next: the rows it made lie under the patient's last number or
under this one.
#}

{% macro forget_loads() -%}
    {%- if is_incremental() -%}
        {#- the loads here are asked for first: most often none goes, and then no row is looked at -#}
        delete from {{ this }}
        where load_id in (
            select load_id from (select distinct load_id from {{ this }})
            where load_id not in (select load_id from {{ source('raw', 'current_load') }})
                or load_id in (select load_id from {{ source('raw', 'registry_load_to_restage') }}))
    {%- endif -%}
{%- endmacro %}

{#
Loads that a query finds, as a list of texts: rows lie by load, and DuckDB passes over row groups of others by a constant, where a
subquery gives it no more than the least and the greatest.
#}
{% macro listed(sql) -%}
    {%- set loads = run_query(sql ~ " order by 1").columns[0].values() if execute else [] -%}
    {%- for load in loads %}'{{ load }}'{{ ", " if not loop.last }}{% else %}null{% endfor -%}
{%- endmacro %}

{% macro loads_to_stage() -%}
    {%- set in_force = "select load_id from " ~ source('raw', 'current_load') -%}
    {%- if is_incremental() -%}
        {{ listed(in_force ~ " where load_id not in (select distinct load_id from " ~ this ~ ") or load_id in (select load_id from "
            ~ source('raw', 'registry_load_to_restage') ~ ")") }}
    {%- else -%}
        {{ in_force }}
    {%- endif -%}
{%- endmacro %}

{% macro loads_that_mention_touched() -%}
    select distinct m.load_id from {{ ref('int_patient_load') }} as m
    left join {{ ref('int_visit_patient') }} as v using (sender_id, visit_key)
    semi join {{ ref('int_touched_patient') }} as t
        on t.sender_id = m.sender_id and t.patient_key = coalesce(m.patient_key, v.patient_key, m.visit_key)
{%- endmacro %}

{# Of what is counted by load: loads that are new, staged again, or mention a touched patient. #}
{% macro loads_to_count() -%}
    {%- set in_force = "select load_id from " ~ source('raw', 'current_load') -%}
    {%- set touched = loads_that_mention_touched() -%}
    {%- if is_incremental() -%}
        {{ listed(in_force ~ " where load_id not in (select load_id from " ~ this ~ ") or load_id in (select load_id from "
            ~ source('raw', 'registry_load_to_restage') ~ ") or load_id in (" ~ touched ~ ")") }}
    {%- else -%}
        {{ in_force }}
    {%- endif -%}
{%- endmacro %}

{% macro forget_counted_loads() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where load_id not in (select load_id from {{ source('raw', 'current_load') }}) or load_id in ({{ loads_to_count() }})
    {%- endif -%}
{%- endmacro %}

{% macro forget_touched(by_build_number=false) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} as built
        where exists (
            select 1 from {{ ref('int_touched_patient') }} as t
            where t.sender_id = built.sender_id and t.patient_key = built.patient_key)
        {%- if by_build_number and built_patients() %}
        and build_number in (
            select last_build_number from {{ ref('int_touched_patient') }}
            union
            select build_number from {{ ref('int_touched_patient') }})
        {%- endif %}
    {%- endif -%}
{%- endmacro %}

{# Rows that this build has made in a table that keeps the number: those of the touched patients. #}
{% macro made_by_this_build() -%}
    build_number = (select max(build_number) from {{ ref('int_touched_patient') }})
{%- endmacro %}

{# The patients that marts were built of, where a build has ended before. #}
{% macro built_patients() -%}
    {%- set built = adapter.get_relation(database=target.database, schema='intermediate', identifier='int_built_patient') -%}
    {%- if built and 'build_number' in adapter.get_columns_in_relation(built) | map(attribute='name') -%}{{ return(built) }}{%- endif -%}
{%- endmacro %}

{#
Until int_built_patient is made anew at the end, touched patients count as built from nothing. A build that breaks has made
rows of them, and they stay touched when what it was made from is taken out of force again.
#}
{% macro put_touched_to_build() -%}
    {%- set built = built_patients() -%}
    {%- if built -%}
        update {{ built }} as built set patient_version = 'to be built'
        from {{ this }} as t where t.sender_id = built.sender_id and t.patient_key = built.patient_key;
        insert into {{ built }} by name
        select sender_id, patient_key, 'to be built' as patient_version from {{ this }}
        anti join {{ built }} using (sender_id, patient_key)
    {%- endif -%}
{%- endmacro %}

{# For a CTE that is read several times: the touched patients' rows are few and kept, all patients' would fill the memory. #}
{% macro kept_if_few() -%}
    {{ 'not materialized' if flags.FULL_REFRESH else 'materialized' }}
{%- endmacro %}

{# The touched rows of a table of many, once for all of its tests: each of them would look for them in the whole table. #}
{% macro lay_out_for_tests() -%}
    {%- if is_incremental() -%}
        create or replace table {{ laid_out_for_tests(this) }} as
        select * from {{ this }} where {{ made_by_this_build() }}
    {%- else -%}
        drop table if exists {{ laid_out_for_tests(this) }}
    {%- endif -%}
{%- endmacro %}

{% macro laid_out_for_tests(relation) -%}
    {{ relation.incorporate(path={'schema': 'intermediate', 'identifier': 'touched_' ~ relation.identifier}) }}
{%- endmacro %}

{#
What a test looks at. A build remakes the rows of touched patients alone, and so it tests those alone: in a table that is kept
by patient (`forget_touched`, listed below) a fault, an orphan or a second row of a key, which names the patient, can come with them only.
A build that has failed leaves its patients touched. The whole table is looked at by a full refresh, by `dbt test`, and by a
test whose meta says `whole_table`: a visit's key is the hospital's, and two patients might share it.
#}
{% macro get_where_subquery(relation) -%}
    {%- set kept_by_patient = [
        'int_patients', 'int_patient_origin', 'int_visits', 'dim_patient', 'dim_antibody_status', 'fct_visit', 'fct_observation',
        'fct_antibody_result', 'fct_event', 'fct_treatment', 'fct_follow_up', 'fct_time_to_event', 'fct_definition',
    ] -%}
    {%- set touched_only = relation.identifier in kept_by_patient and flags.WHICH == 'build' and not flags.FULL_REFRESH
        and not config.get('meta', {}).get('whole_table') -%}
    {%- set where = config.get('where') -%}
    {%- if not (touched_only or where) -%}{{ return(relation) }}{%- endif -%}
    {%- set is_laid_out = touched_only and relation.identifier == 'fct_observation' -%}
    (
        select tested.* from {{ laid_out_for_tests(relation) if is_laid_out else relation }} as tested
        {%- if touched_only and not is_laid_out %}
        semi join {{ relation.incorporate(path={'schema': 'intermediate', 'identifier': 'int_touched_patient'}) }} using (sender_id, patient_key)
        {%- endif %}
        {%- if where %}
        where {{ where }}
        {%- endif %}
    ) as tested
{%- endmacro %}
