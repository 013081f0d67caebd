"""A small warehouse that keeps every rule of both suites: one delivery in raw, two hospitals in the marts.

Belongs here: its rows. Does not belong here: what breaks it (`test_expectations_raw.py`, `…_marts.py`).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from orchestration.database.warehouse_file import warehouse

LOAD = "load_1"

# 60 patients, each with a visit, two results, an antibody test, an event, a treatment and a follow-up.
RAW = """
create temp macro key_of(what, i) as md5(what || i);
create temp table i as select range as i from range(60);
create temp table place as
    select 'north' as sender_id, 'north' as hospital_id, '2024-01' as delivery_id, 'load_1' as load_id,
        'x' as export_id, timestamp '2024-02-01 08:00' as loaded_at;
create temp table patient as
    select i, key_of('patient', i) as patient_key, key_of('visit', i) as visit_key,
        i + 2 as source_row from i;

insert into raw.patients by name
    select patient_key, 'f' as sex, '2012-05-01' as birth_date, place.*, 'patients.csv' as source_file,
        source_row
    from patient, place;
insert into raw.visits by name
    select patient_key, visit_key, '2023-11-01' as visit_date, place.*, 'visits.csv' as source_file,
        source_row
    from patient, place;
insert into raw.observations by name
    select visit_key, '2023-11-01' as observed_on, concept as concept_source,
        (100 + i)::varchar as value_text,
        'U/L' as unit_source, place.*, 'results.csv' as source_file, 2 * i + n + 1 as source_row
    from patient, place, (values ('CK', 1), ('LDH', 2)) as c (concept, n);
insert into raw.antibodies by name
    select patient_key, 'anti-NXP2' as antibody_source, '++' as result_text, place.*,
        'antibodies.csv' as source_file, source_row
    from patient, place;
insert into raw.events by name
    select patient_key, 'Relapse' as event_source, 'no' as status_text, place.*,
        'events.csv' as source_file, source_row
    from patient, place;
insert into raw.treatments by name
    select patient_key, 'Prednisone' as treatment_source, '10' as dose, place.*,
        'treatments.csv' as source_file, source_row
    from patient, place;
insert into raw.follow_up by name
    select patient_key, '2024-01-15' as last_seen_date, 'in follow-up' as status_text, place.*,
        'follow_up.csv' as source_file, source_row
    from patient, place;

insert into raw.delivery values
    ('north', '2024-01', 'load_1', 'pending', 'incremental', 'c', 'm', timestamp '2024-02-01 08:00', '');
insert into raw.source_table by name
    select 'north' as sender_id, '2024-01' as delivery_id, 'load_1' as load_id, t.* from (values
        ('patients.csv', 'patients', 60, 0, 60), ('visits.csv', 'visits', 60, 0, 60),
        ('results.csv', 'observations', 121, 1, 120), ('antibodies.csv', 'antibodies', 60, 0, 60),
        ('events.csv', 'events', 60, 0, 60), ('treatments.csv', 'treatments', 60, 0, 60),
        ('follow_up.csv', 'follow_up', 60, 0, 60)
    ) as t (source_file, entity, rows_read, rows_malformed, records);
insert into raw.delivery_file by name
    select sender_id, delivery_id, load_id, source_file, sha256(source_file) as sha256, 1000 as bytes,
        'csv' as format, 'utf-8' as encoding
    from raw.source_table;
insert into raw.rejected_line by name
    select 'north' as sender_id, '2024-01' as delivery_id, 'load_1' as load_id,
        'results.csv' as source_file, 123 as source_row, 'malformed_line' as rule;
"""

# Two children's hospitals of 12 patients: visits at baseline and after three months, CK and CMAS at both.
MARTS = """
create schema marts; create schema quality; create schema intermediate;
set schema = 'marts';

create table dim_hospital as
    select * from (values ('north', 'north', 'North', 'children'), ('south', 'south', 'South', 'children'))
        as t (hospital_id, sender_id, hospital_name, population);
create table dim_concept as
    select * from (values
        ('ck', 'Creatine kinase', 'numeric', 'U/L', 0.0, 1000000.0, 5.0, 50000.0),
        ('cmas', 'CMAS', 'score', '{score}', 0.0, 52.0, 0.0, 52.0)
    ) as t (
        concept_id, concept_name, kind, unit_canonical, physical_low, physical_high, plausible_low,
        plausible_high
    );
create table intermediate.concept_ranges as
    select * from (values
        ('cmas', 2.0, 5.0, null::varchar, 0.0, 51.0),
        ('ck', 0.0, 1.0, 'female', 5.0, 40000.0)
    ) as t (concept_id, age_low_years, age_high_years, sex, plausible_low, plausible_high);

create table dim_patient as
    select h.sender_id, h.hospital_id, md5(h.hospital_id || i) as patient_key, 'female' as sex,
        (2005 + i)::bigint as birth_year, 6.0 + i / 10 as age_at_onset_years,
        3.0 + i as disease_duration_months, date '2020-01-01' + 7 * i::integer as baseline_date,
        'juvenile' as onset_group, false as has_conflict, '2024-01' as delivery_id
    from dim_hospital as h, range(12) as t (i);
create table dim_antibody_status as
    select sender_id, hospital_id, patient_key, 'nxp2' as msa, 'positive in one test' as decided_by,
        'nxp2' as positive_antibodies, false as has_conflict, null::varchar as conflict, 1 as n_tests
    from dim_patient;
create table fct_visit as
    select md5(patient_key || month) as visit_key, p.sender_id, p.hospital_id, p.patient_key,
        p.baseline_date + days::integer as visit_date, null::date as visit_end_date, null::timestamp as visit_end_at,
        days::double as time_days, 'month_' || month as scheduled_visit, month::double as nominal_month,
        true as is_scheduled
    from dim_patient as p, (values (0, 0), (3, 91)) as v (month, days);
create table fct_observation as
    select md5(v.visit_key || concept_id) as observation_key, v.sender_id, v.hospital_id, v.patient_key,
        v.visit_key, concept_id, v.visit_date as observed_date, v.visit_date::timestamp as observed_at,
        v.time_days, v.scheduled_visit, true as is_visit_value, value::varchar as value_text,
        null::varchar as comparator, value, unit as unit_source, value as value_canonical,
        unit as unit_canonical, 'identity' as conversion_rule, null::double as lower_limit,
        null::double as upper_limit, false as is_derived, '2024-01' as delivery_id
    from (
        select v.*, concept_id, unit,
            base + step * rank() over (partition by hospital_id, concept_id order by visit_key) as value
        from fct_visit as v,
            (values ('ck', 'U/L', 500::double, 10), ('cmas', '{score}', 20::double, 1))
                as c (concept_id, unit, base, step)
    ) as v;
create table fct_antibody_result as
    select md5(patient_key || 'nxp2') as antibody_result_key, sender_id, hospital_id, patient_key,
        baseline_date as tested_date, 0.0 as time_days, 'nxp2' as antibody_id, 'line_blot' as assay_id,
        case when birth_year < 2008 then '3' else '40' end as result_text, 'line_blot_intensity' as positivity_rule
    from dim_patient;
create table fct_event as
    select md5(patient_key || event_id) as event_key, sender_id, hospital_id, patient_key, event_id,
        baseline_date + 200 as event_date, 200.0 as time_days, status
    from dim_patient, (values ('relapse', 'present'), ('calcinosis_cutis', 'absent')) as e (event_id, status);
create table fct_treatment as
    select md5(patient_key || 'prednisone') as treatment_key, sender_id, hospital_id, patient_key,
        'prednisone' as treatment_id, baseline_date as start_date, baseline_date + 100 as stop_date,
        0.0 as time_days
    from dim_patient;
create table fct_follow_up as
    select sender_id, hospital_id, patient_key, baseline_date + 1100 as last_seen_date,
        1100.0 as last_seen_days, 'followed' as status
    from dim_patient;
create table fct_time_to_event as
    select sender_id, hospital_id, patient_key, 'relapse' as endpoint, baseline_date as start_date,
        baseline_date + 200 as end_date, 200.0 as time_days, 200 / 30.4375 as time_months,
        true as is_event, true as outcome_known, null::varchar as censor_reason
    from dim_patient;
create table dim_definition as
    select * from (values ('mas_2016', 1), ('bohan_peter_1975', 1)) as t (definition_id, version);
create table fct_definition as
    select sender_id, hospital_id, patient_key, definition_id, version,
        case definition_id when 'mas_2016' then 'met' else 'cannot_tell' end as status, 3.0 as value, 4.0 as value_at_most,
        null::double as probability, null::double as probability_at_most,
        case definition_id when 'mas_2016' then null else 'muscle biopsy' end as inputs_missing
    from dim_patient, dim_definition;
create table patient_link as
    select birth_year::varchar as person_key, sender_id, hospital_id, patient_key, 'national_id' as link_rule
    from dim_patient where birth_year < 2008;

create table quality.source_table as
    select hospital_id as sender_id, '2024-01' as delivery_id, entity, 100 as records,
        100 as records_staged, 99 as records_accepted, 1 as records_rejected, 1 as records_counted
    from dim_hospital, (values ('patients'), ('observations')) as e (entity);
create table quality.delivery as
    select hospital_id as sender_id, '2024-01' as delivery_id, 'load' as load_id_in_force, timestamp '2024-02-01' as loaded_at
    from dim_hospital;
create schema raw;
create table raw.registry_sender as
    select hospital_id as sender_id, case hospital_id when 'north' then interval 6 months end as expected_every from dim_hospital;
"""


def write_raw(path: Path) -> Path:
    with warehouse(path) as connection:
        connection.execute(RAW)
    return path


def write_marts(path: Path) -> Path:
    change(path, MARTS)
    return path


def change(path: Path, sql: str) -> None:
    connection = duckdb.connect(str(path))
    try:
        connection.execute(sql)
    finally:
        connection.close()
