"""Writes a release as OMOP Common Data Model 5.4: a Parquet file per table, with the CDM's columns and types.

Belongs here: what of a release becomes which row of which table, and the count of what the CDM does not
take. Does not belong here: what becomes of dates (`analytics/public/dates.py`), the CDM's columns
(`omop_cdm_5_4.csv`), reading OMOP (`registry/ready_made/omop_cdm_5_4.yml`).

These are patients' rows, and they leave the house. So no patient_key leaves: a keyed hash of its own takes
its place. No text leaves as a hospital wrote it: a number is written anew, a word is the catalogue's. Dates
are what `dates` of registry.yml makes of them. A row without a day has no place in the CDM; it is left out
and counted, because an invented day could not be told from a known one.

Concept ids are those by which the ready-made mapping reads OMOP, and 0 for all else: the registry's own ids
stand in the columns `*_source_value`.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import yaml

from analytics.public.dates import Dates, public_dates
from orchestration.files import part_of, put_in_place
from orchestration.registry import catalogue
from orchestration.registry.mapping_file import READY_MADE

MAPPING = READY_MADE / "omop_cdm_5_4.yml"
COLUMNS = Path(__file__).with_name("omop_cdm_5_4.csv")
REGISTRY_TYPE = 32879  # OMOP's type concept "Registry"
CDM_5_4 = 756265  # OMOP's concept of this version of the CDM
POSITIVE, NEGATIVE = 45884084, 45878583  # LOINC's answers LA6576-8 and LA6577-6
MOST_OF_A_NAME = 50  # characters of a source value
STOP_NOT_KNOWN = "stop date not known"  # in stop_reason, where the CDM wants an end and nobody knows it
ANTIBODY, EVENT = "antibody", "event"  # in qualifier_source_value: what an observation is


class ExportRefused(Exception):
    """Nothing was written; the text says why, and what to do."""


@dataclass(frozen=True)
class Release:
    """What is exported, and by which rule and key."""

    file: Path
    release_id: str
    registry: str
    is_synthetic: bool
    made_on: str  # YYYY-MM-DD
    dates: Dates
    key: bytes


@dataclass(frozen=True)
class Exported:
    """Rows by table; rows whose concept id is 0 by table and column; what was left out, by reason."""

    rows: dict[str, int] = field(default_factory=dict)
    without_concept: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """What a person is told, one line each."""
        return [
            *(f"{table}: {n:,} rows" for table, n in self.rows.items()),
            *(
                f"{column} is 0 in {n:,} rows: no id is known"
                for column, n in self.without_concept.items()
                if n
            ),
            *(f"left out: {n:,} {reason}" for reason, n in self.left_out.items() if n),
        ]


def export(release: Release, folder: Path) -> Exported:
    """Write the release into ``folder``, which must be new or empty, and appears whole or not at all."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportRefused(f"{folder}: the folder is not empty; name a folder that is new or empty")
    if not folder.absolute().parent.is_dir():
        raise ExportRefused(f"{folder.absolute().parent}: there is no such folder; make it first")
    part = part_of(folder.absolute())
    part.mkdir(mode=0o700)
    try:
        with _opened(release) as connection:
            exported = _write(connection, release, part)
        put_in_place(part, folder.absolute())
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return exported


@contextmanager
def _opened(release: Release) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as connection:
        try:
            connection.execute(f"attach {_text(str(release.file))} as file (read_only)")
        except duckdb.Error:
            raise ExportRefused(
                f"{release.file.name} is damaged or no DuckDB file; restore it from its backup, or remove "
                "it, and make it again with: myositis run"
            ) from None
        yield connection


def _write(connection: duckdb.DuckDBPyConnection, release: Release, folder: Path) -> Exported:
    _prepare(connection, release)
    exported = Exported()
    for table, query in TABLES.items():
        connection.execute(f"create table {table} as select {_cast(table)} from ({query})")
        _hold_what_the_cdm_requires(connection, table)
        exported.rows[table] = _count(connection, f"from {table}")
    exported.left_out.update((reason, _count(connection, rows)) for reason, rows in LEFT_OUT.items())
    for table, column in CONCEPTS:
        exported.without_concept[f"{table}.{column}"] = _count(connection, f"from {table} where {column} = 0")
    _describe(connection, release, exported)
    for table in _columns():
        order = "" if table == "cdm_source" else " order by 1"
        target = _text(str(folder / f"{table}.parquet"))
        connection.execute(f"copy (from {table}{order}) to {target} (format parquet)")
    (folder / "README.md").write_text(_readme(release, exported), encoding="utf-8")
    return exported


# What is read: the release's tables with a number for each patient, and with dates as they may leave


def _prepare(connection: duckdb.DuckDBPyConnection, release: Release) -> None:
    patients = connection.execute(
        "select hospital_id, patient_key from file.release.dim_patient where birth_year is not null"
    ).fetchall()
    named = sorted((_pseudonym(release.key, *patient), *patient) for patient in patients)
    connection.execute(
        "create table patient (person_id integer, source_value text, hospital_id text, patient_key text)"
    )
    if named:
        connection.executemany(
            "insert into patient values (?, ?, ?, ?)", [(i, *row) for i, row in enumerate(named, 1)]
        )
    connection.execute("set variable dates = ?", [release.dates])
    _move_dates(connection, release)
    known = _codes()
    for name in ("concepts", "units", "comparators", "sex"):
        connection.execute(f"create table {name}_id (ours text, id integer)")
        connection.executemany(f"insert into {name}_id values (?, ?)", sorted(known[name].items()))
    connection.execute("create table unit_spelling (sent text, ucum text)")
    connection.executemany("insert into unit_spelling values (?, ?)", sorted(catalogue.units().items()))
    for name, query in SOURCES.items():
        connection.execute(f"create table {name} as {query}")


def _move_dates(connection: duckdb.DuckDBPyConnection, release: Release) -> None:
    """Every date of every patient, beside what may leave of it."""
    frame = connection.execute(
        " union ".join(
            f"select hospital_id, patient_key, {column} as day from file.release.{table} "
            f"where {column} is not null"
            for table, columns in DAYS.items()
            for column in columns
        )
    ).df()
    frame["moved"] = frame["day"]
    moved = public_dates(frame, ["moved"], release.dates, release.key)
    connection.register("moved_frame", moved)
    connection.execute(
        "create table moved as select hospital_id, patient_key, day::date as day, moved::date as moved "
        "from moved_frame"
    )
    connection.unregister("moved_frame")


def _pseudonym(key: bytes, hospital_id: str, patient_key: str) -> str:
    """The patient's name in exports: the same in each of them, and of no use to find the patient_key."""
    text = f"omop|{hospital_id}|{patient_key}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]


DAYS = {
    "fct_visit": ("visit_date", "visit_end_date"),
    "fct_observation": ("observed_date",),
    "fct_antibody_result": ("tested_date",),
    "fct_event": ("event_date",),
    "fct_treatment": ("start_date", "stop_date"),
    "fct_follow_up": ("last_seen_date",),
}


def _moved(column: str) -> str:
    """SQL for what leaves of a date of table ``t``."""
    return (
        "(select moved from moved as m where m.hospital_id = t.hospital_id and m.patient_key = t.patient_key"
        f" and m.day = t.{column})"
    )


def _source(table: str, *days: str) -> str:
    """SQL for a table of the release: rows of patients who are exported, with their dates as they leave."""
    moved = ", ".join(f"{_moved(day)} as {day}_out" for day in days)
    return (
        f"select t.*, p.person_id, {moved} from file.release.{table} as t "
        "join patient as p using (hospital_id, patient_key)"
    )


RESULT = """
select t.*,
    case when is_as_sent then value else coalesce(value_canonical, nullif(upper_limit, 'inf'), lower_limit) end as number,
    case when is_as_sent then ucum else unit_canonical end as unit
from (
    select r.*, trim(u.ucum) as ucum, unit_source is null or u.ucum is not null as is_as_sent
    from ({source}) as r left join unit_spelling as u on u.sent = trim(r.unit_source)
    where not is_derived
) as t
"""  # noqa: E501
SOURCES = {
    "visit": _source("fct_visit", "visit_date", "visit_end_date"),
    "result": RESULT.format(source=_source("fct_observation", "observed_date")),
    "antibody_result": _source("fct_antibody_result", "tested_date"),
    "happening": _source("fct_event", "event_date"),
    "treatment": _source("fct_treatment", "start_date", "stop_date"),
    "contact": _source("fct_follow_up", "last_seen_date"),
    "visit_number": "select visit_key, row_number() over (order by visit_key)::integer as visit_occurrence_id"
    " from visit where visit_date_out is not null",
}
"""A result in a unit that only its sender's mapping knows is written in the catalogue's unit."""
UNDERSTOOD = "(number is not null or value_code is not null)"
VALUE = "coalesce(value_code, concat(comparator, number::text))"
# an id of a mass in a volume does not fit an amount of substance
FITS = (
    "not (c.ours in ('creatinine', 'glucose', 'bilirubin_total', 'albumin') and coalesce(unit, '') not "
    "like '%g/%')"
)
IS_DEATH = "event_id = 'death' and status = 'present'"

TABLES = {
    "care_site": """
        select row_number() over (order by hospital_id) as care_site_id, hospital_name as care_site_name,
            0 as place_of_service_concept_id, hospital_id as care_site_source_value
        from file.release.dim_hospital where hospital_id in (select hospital_id from patient)
        """,
    "person": """
        select p.person_id, coalesce(s.id, 0) as gender_concept_id, d.birth_year as year_of_birth,
            0 as race_concept_id, 0 as ethnicity_concept_id, h.care_site_id,
            p.source_value as person_source_value, d.sex as gender_source_value
        from patient as p join file.release.dim_patient as d using (hospital_id, patient_key)
        left join sex_id as s on s.ours = d.sex
        left join care_site as h on h.care_site_source_value = p.hospital_id
        """,
    "visit_occurrence": f"""
        select visit_occurrence_id, person_id, 0 as visit_concept_id,
            visit_date_out as visit_start_date, coalesce(visit_end_date_out, visit_date_out) as visit_end_date,
            {REGISTRY_TYPE} as visit_type_concept_id, h.care_site_id, scheduled_visit as visit_source_value
        from visit join visit_number using (visit_key)
        left join care_site as h on h.care_site_source_value = hospital_id
        """,  # noqa: E501
    "measurement": f"""
        select row_number() over (order by observation_key) as measurement_id, r.person_id,
            case when {FITS} then coalesce(c.id, 0) else 0 end as measurement_concept_id,
            observed_date_out as measurement_date,
            case when observed_at <> observed_date and getvariable('dates') <> 'month'
                then observed_date_out + (observed_at - observed_date::timestamp) end as measurement_datetime,
            {REGISTRY_TYPE} as measurement_type_concept_id, o.id as operator_concept_id, number as value_as_number,
            case value_code when 'positive' then {POSITIVE} when 'negative' then {NEGATIVE} end as value_as_concept_id,
            case when unit is not null then coalesce(i.id, 0) end as unit_concept_id, v.visit_occurrence_id,
            r.concept_id as measurement_source_value, unit as unit_source_value, {VALUE} as value_source_value
        from result as r
        left join concepts_id as c on c.ours = r.concept_id
        left join comparators_id as o on o.ours = r.comparator
        left join units_id as i on i.ours = unit
        left join visit_number as v using (visit_key)
        where observed_date_out is not null and {UNDERSTOOD}
        """,  # noqa: E501
    "observation": f"""
        select row_number() over (order by kind, key) as observation_id, * exclude (kind, key)
        from (
            select '{ANTIBODY}' as kind, antibody_result_key as key, person_id, 0 as observation_concept_id,
                tested_date_out as observation_date, {REGISTRY_TYPE} as observation_type_concept_id,
                result as value_as_string,
                case result when 'positive' then {POSITIVE} when 'negative' then {NEGATIVE} end as value_as_concept_id,
                antibody_id as observation_source_value, '{ANTIBODY}' as qualifier_source_value
            from antibody_result
            where tested_date_out is not null and result in ('positive', 'negative', 'borderline') and antibody_id is not null
            union all by name
            select '{EVENT}' as kind, event_key as key, person_id, 0 as observation_concept_id,
                event_date_out as observation_date, {REGISTRY_TYPE} as observation_type_concept_id,
                status as value_as_string, event_id as observation_source_value, '{EVENT}' as qualifier_source_value
            from happening
            where event_date_out is not null and status <> 'present'
        )
        """,  # noqa: E501
    "condition_occurrence": f"""
        select row_number() over (order by event_key) as condition_occurrence_id, person_id, 0 as condition_concept_id,
            event_date_out as condition_start_date, {REGISTRY_TYPE} as condition_type_concept_id,
            event_id as condition_source_value
        from happening where event_date_out is not null and status = 'present' and not ({IS_DEATH})
        """,  # noqa: E501
    "drug_exposure": f"""
        select row_number() over (order by treatment_key) as drug_exposure_id, person_id, 0 as drug_concept_id,
            start_date_out as drug_exposure_start_date, coalesce(stop_date_out, start_date_out) as drug_exposure_end_date,
            stop_date_out as verbatim_end_date, {REGISTRY_TYPE} as drug_type_concept_id,
            case when stop_date_out is null then '{STOP_NOT_KNOWN}' end as stop_reason,
            nullif(concat_ws(' ', dose, dose_unit), dose_unit) as sig, treatment_id as drug_source_value,
            dose_unit as dose_unit_source_value
        from treatment where start_date_out is not null
        """,  # noqa: E501
    "death": f"""
        select person_id, min(event_date_out) as death_date, {REGISTRY_TYPE} as death_type_concept_id
        from happening where event_date_out is not null and {IS_DEATH} group by person_id
        """,
    "observation_period": f"""
        select row_number() over (order by person_id) as observation_period_id, person_id,
            min(day) as observation_period_start_date, max(day) as observation_period_end_date,
            {REGISTRY_TYPE} as period_type_concept_id
        from (
            select person_id, unnest([visit_start_date, visit_end_date]) as day from visit_occurrence
            union all select person_id, measurement_date from measurement
            union all select person_id, observation_date from observation
            union all select person_id, condition_start_date from condition_occurrence
            union all select person_id, drug_exposure_start_date from drug_exposure
            union all select person_id, death_date from death
            union all select person_id, last_seen_date_out from contact where last_seen_date_out is not null
        )
        group by person_id
        """,
}
"""Each table's rows; what a query does not name is empty."""

LEFT_OUT = {
    "patients without a year of birth, with all their rows": (
        "from file.release.dim_patient where birth_year is null"
    ),
    "visits without a day": "from visit where visit_date_out is null",
    "results without a day": "from result where observed_date_out is null",
    "results that are no number and no known word": (
        f"from result where observed_date_out is not null and not {UNDERSTOOD}"
    ),
    "results that the models computed from other results (whoever reads the files computes them again)": (
        "from file.release.fct_observation join patient using (hospital_id, patient_key) where is_derived"
    ),
    "antibody results without a day, without a result, or of an unknown antibody": (
        "from antibody_result where tested_date_out is null or antibody_id is null"
        " or result is null or result not in ('positive', 'negative', 'borderline')"
    ),
    "events and signs without a day": "from happening where event_date_out is null",
    "further deaths of one patient": (
        f"from happening where event_date_out is not null and {IS_DEATH}"
        " qualify row_number() over (partition by person_id order by event_date_out) > 1"
    ),
    "treatments without a day on which they began": "from treatment where start_date_out is null",
    "patients without any day (they have no observation_period)": (
        "from patient where person_id not in (select person_id from observation_period)"
    ),
}
CONCEPTS = (
    ("person", "gender_concept_id"),
    ("visit_occurrence", "visit_concept_id"),
    ("measurement", "measurement_concept_id"),
    ("measurement", "unit_concept_id"),
    ("observation", "observation_concept_id"),
    ("condition_occurrence", "condition_concept_id"),
    ("drug_exposure", "drug_concept_id"),
)
"""Where the catalogue may lack an id. It has none of races, ethnicities and places, which nobody is asked."""


# The CDM's columns


@dataclass(frozen=True)
class CdmColumn:
    name: str
    type: str
    is_required: bool


@cache
def _columns() -> dict[str, tuple[CdmColumn, ...]]:
    """The columns of each table that is written, in the CDM's order."""
    found: dict[str, list[CdmColumn]] = defaultdict(list)
    with COLUMNS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["table"]].append(CdmColumn(row["column"], row["type"], row["required"] == "true"))
    return {table: tuple(columns) for table, columns in found.items()}


def _cast(table: str) -> str:
    """SQL for the CDM's columns of a table, of a query that names some of them."""
    named = set(re.findall(r"\b(\w+)\b", TABLES[table]))
    return ", ".join(
        f"{c.name}::{c.type} as {c.name}" if c.name in named else f"null::{c.type} as {c.name}"
        for c in _columns()[table]
    )


def _hold_what_the_cdm_requires(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    for column in _columns()[table]:
        if column.is_required and _count(connection, f"from {table} where {column.name} is null"):
            raise ValueError(f"omop: {table}.{column.name} is empty in a row, and the CDM requires it")
    texts = [c.name for c in _columns()[table] if c.name.endswith("_source_value")]
    if too_long := [
        c for c in texts if _count(connection, f"from {table} where length({c}) > {MOST_OF_A_NAME}")
    ]:
        raise ValueError(f"omop: {table}.{too_long[0]} has a text of over {MOST_OF_A_NAME} characters")


@cache
def _codes() -> dict[str, dict[str, int]]:
    """OMOP's ids by our words, as the ready-made mapping has them the other way round."""
    codes = yaml.safe_load(MAPPING.read_text(encoding="utf-8"))["codes"]
    return {
        kind: {ours: int(theirs) for theirs, ours in codes[kind].items() if ours is not None}
        for kind in ("concepts", "units", "comparators", "sex")
    }


# What the export says of itself


def _describe(connection: duckdb.DuckDBPyConnection, release: Release, exported: Exported) -> None:
    columns = ", ".join(f"{c.name} {c.type}" for c in _columns()["cdm_source"])
    kind = "SYNTHETIC DATA: all patients are invented. " if release.is_synthetic else ""
    exported.rows["cdm_source"] = 1
    connection.execute(f"create table cdm_source ({columns})")
    connection.execute(
        "insert into cdm_source values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            release.registry[:255],
            release.release_id[:25],
            release.registry[:255],
            f"{kind}Release {release.release_id}. Dates: {DATES[release.dates]}. "
            f"{'. '.join(exported.sentences())}.",
            None,
            "myositis export omop",
            release.made_on,
            release.made_on,
            "5.4",
            CDM_5_4,
            "none",
        ],
    )


DATES: dict[Dates, str] = {
    "exact": "as they are",
    "shifted": "moved by a number of days of the patient's own, the same for all of the patient's dates",
    "month": "the first day of their month",
}


def _readme(release: Release, exported: Exported) -> str:
    kind = "**SYNTHETIC DATA**: all patients are invented." if release.is_synthetic else ""
    lines = "\n".join(f"- {sentence}" for sentence in exported.sentences())
    return f"""# {release.registry}, as OMOP CDM 5.4

{kind or "**Rows of single patients.**"} Made of release {release.release_id} by `myositis export omop`.

- Dates: {DATES[release.dates]} (`dates: {release.dates}` in registry.yml).
- `person_source_value` is a pseudonym of this kind of export; it is the same in each.
- A concept id that is not known is 0. The registry's own id stands in the column `*_source_value`.
- A treatment of which nobody knows the end ends on the day of its start, because the CDM wants an end: `verbatim_end_date` is
  empty, and `stop_reason` says "{STOP_NOT_KNOWN}". A visit without an end ends on its day.
- `observation` has antibody results and events that were absent or unknown; `qualifier_source_value` says which.

{lines}
"""  # noqa: E501


def _count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    found: list[tuple[Any, ...]] = connection.execute(f"select count(*) from (select * {rows})").fetchall()
    return int(found[0][0])


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
