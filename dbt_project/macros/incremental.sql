{#
How an incremental build gives the same tables as a full one.

Staging is kept by load. The build deletes the rows of loads that the ledger no longer holds in force, and
adds the rows of loads that are not staged yet.
The later models are kept by patient. A patient is touched when the set of loads that mention the patient has
changed since the last finished build (int_touched_patient). The build deletes the rows of touched patients
and makes them anew from all of their staged rows.
A model deletes and adds in one transaction. A load whose corrections changed is staged again, and the
patients of its corrected rows count as touched (int_patient_version).

A model that only leads to others (int_observations_at_visits, the criteria of definitions) is a plain table
of the touched patients' rows.

The two tables of many rows keep in each row the number of the build that made it; int_built_patient keeps
each patient's number. DuckDB skips row groups that hold none of the numbers sought, so a delivery reads the
builds of its patients and not the whole warehouse. Without int_built_patient every patient is touched and
every row is read. A failed build's number is reused, so its rows carry either the patient's last number or
the current one.
#}

{% macro forget_loads() -%}
    {%- if is_incremental() -%}
        {#- first ask which loads go: usually none, and then no row is read -#}
        delete from {{ this }}
        where load_id in (
            select load_id from (select distinct load_id from {{ this }})
            where load_id not in (select load_id from {{ source('raw', 'current_load') }})
                or load_id in (select load_id from {{ source('raw', 'registry_load_to_restage') }}))
    {%- endif -%}
{%- endmacro %}

{#
The loads that a query finds, as a list of texts. Rows lie by load. DuckDB skips row groups of other loads
when it compares with constants; from a subquery it learns only the least and the greatest load.
#}
{% macro listed(sql) -%}
    {%- set loads = run_query(sql ~ " order by 1").columns[0].values() if execute else [] -%}
    {%- for load in loads %}'{{ load }}'{{ ", " if not loop.last }}{% else %}null{% endfor -%}
{%- endmacro %}

{% macro loads_to_stage() -%}
    {%- set in_force = "select load_id from " ~ source('raw', 'current_load') -%}
    {%- if is_incremental() -%}
        {{ listed(in_force ~ " where load_id not in (select distinct load_id from " ~ this ~ ")"
            ~ " or load_id in (select load_id from " ~ source('raw', 'registry_load_to_restage') ~ ")") }}
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

{# Loads to recount: new, restaged, or mentioning a touched patient. #}
{% macro loads_to_count() -%}
    {%- set in_force = "select load_id from " ~ source('raw', 'current_load') -%}
    {%- set touched = loads_that_mention_touched() -%}
    {%- if is_incremental() -%}
        {{ listed(in_force ~ " where load_id not in (select load_id from " ~ this ~ ")"
            ~ " or load_id in (select load_id from " ~ source('raw', 'registry_load_to_restage') ~ ")"
            ~ " or load_id in (" ~ touched ~ ")") }}
    {%- else -%}
        {{ in_force }}
    {%- endif -%}
{%- endmacro %}

{% macro forget_counted_loads() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where load_id not in (select load_id from {{ source('raw', 'current_load') }})
            or load_id in ({{ loads_to_count() }})
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

{# The rows that this build has made (those of touched patients), in a table that keeps the build number. #}
{% macro made_by_this_build() -%}
    build_number = (select max(build_number) from {{ ref('int_touched_patient') }})
{%- endmacro %}

{# The table of patients that the marts were built from; nothing if no build has finished yet. #}
{% macro built_patients() -%}
    {%- set built = adapter.get_relation(
        database=target.database, schema='intermediate', identifier='int_built_patient') -%}
    {%- if built and 'build_number' in adapter.get_columns_in_relation(built) | map(attribute='name') -%}
        {{ return(built) }}
    {%- endif -%}
{%- endmacro %}

{#
Until the build ends, touched patients are marked unbuilt, so a failed build leaves them touched. They stay
touched even when the delivery that touched them is taken out of force again.
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

{#
For a CTE that is read several times. The touched patients' rows are few and are kept in memory; the rows of
all patients would fill the memory.
#}
{% macro kept_if_few() -%}
    {{ 'not materialized' if flags.FULL_REFRESH else 'materialized' }}
{%- endmacro %}

{# Copies the touched rows of a large table once, so that tests need not scan the whole table. #}
{% macro lay_out_for_tests() -%}
    {%- if is_incremental() -%}
        create or replace table {{ laid_out_for_tests(this) }} as
        select * from {{ this }} where {{ made_by_this_build() }}
    {%- else -%}
        drop table if exists {{ laid_out_for_tests(this) }}
    {%- endif -%}
{%- endmacro %}

{% macro laid_out_for_tests(relation) -%}
    {{ relation.incorporate(
        path={'schema': 'intermediate', 'identifier': 'touched_' ~ relation.identifier}) }}
{%- endmacro %}

{#
The rows that a test reads. A build remakes only the rows of touched patients, so its tests read only those:
in a table that is kept by patient (`forget_touched`, listed below) a new fault, orphan or second row of a key
names the patient, so only the remade rows can hold one. A failed build leaves its patients touched. Three
kinds of test read the whole table: those of a full refresh, those of `dbt test`, and a test whose meta says
`whole_table`. The last is for the key of a visit: it is the hospital's own, and two patients might share it.
#}
{% macro get_where_subquery(relation) -%}
    {%- set kept_by_patient = [
        'int_patients', 'int_patient_origin', 'int_visits', 'dim_patient', 'dim_antibody_status', 'fct_visit',
        'fct_observation', 'fct_antibody_result', 'fct_event', 'fct_treatment', 'fct_follow_up',
        'fct_time_to_event', 'fct_definition', 'patient_baseline', 'person_time', 'treatment_at_visit',
    ] -%}
    {%- set touched_only = relation.identifier in kept_by_patient
        and flags.WHICH == 'build' and not flags.FULL_REFRESH
        and not config.get('meta', {}).get('whole_table') -%}
    {%- set where = config.get('where') -%}
    {%- if not (touched_only or where) -%}{{ return(relation) }}{%- endif -%}
    {%- set is_laid_out = touched_only and relation.identifier == 'fct_observation' -%}
    (
        select tested.* from {{ laid_out_for_tests(relation) if is_laid_out else relation }} as tested
        {%- if touched_only and not is_laid_out %}
        semi join {{ relation.incorporate(
            path={'schema': 'intermediate', 'identifier': 'int_touched_patient'}) }}
            using (sender_id, patient_key)
        {%- endif %}
        {%- if where %}
        where {{ where }}
        {%- endif %}
    ) as tested
{%- endmacro %}
