"""Laws of what arrives: a text becomes a value, is a declared missing mark, or is a finding; and what cannot
be is in no table.

Each example is one build of many generated rows, so there are few examples.
"""

from __future__ import annotations

import csv
import io
import tempfile
from datetime import date
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.warehouse.build import build
from tests.registries import query
from tests.unit.test_loading import make_registry

TODAY = date(2024, 6, 30)
ROWS = 150
MAPPING = """\
sender: north
name: North Hospital
rejected_rows_allowed: 1
dates: ["%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%Y-%m"]
missing: ["n.d."]
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex, birth_date: born, birth_year: year, onset_date: onset, diagnosis_date: diagnosed, origin_date: origin,
               age_at_onset: age, disease_duration: months, diagnosis: diagnosis}
  - file: visits.csv
    visits: {patient_id: id, visit_date: date, visit_end_date: end, visit_label: label}
  - file: treatments.csv
    treatments: {patient_id: id, treatment: drug, start_date: from, stop_date: to, dose: dose, dose_unit: unit}
  - file: follow_up.csv
    follow_up: {patient_id: id, last_seen_date: seen, status: state, reason: why}
  - file: events.csv
    events: {patient_id: id, event_date: date, event: event, status: status, detail: detail}
  - file: antibodies.csv
    antibodies: {patient_id: id, tested_on: date, antibody: antibody, result: result, assay: assay, cut_off: cut_off}
  - file: observations.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit, reference_high: high}
"""
DAYS = st.dates(date(1890, 1, 1), date(2035, 12, 31)).map(str)
LIKELY = st.dates(date(2000, 1, 1), date(2024, 12, 31))
ANY = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=8)
DATE = st.one_of(
    LIKELY.map(str),
    LIKELY.map(lambda d: f"{d:%d.%m.%Y}"),
    LIKELY.map(lambda d: f"{d.day} März {d.year}"),
    DAYS,
    ANY,
)
ODD_DATES = [
    "",
    "9999-12-31",
    "1900-01-01",
    "2564-03-04",
    "1399-03-04",
    "1850-01-01",
    "2024-07-01",
    "2032-01-01",
    "2021-03",
    "2021-02-30",
    "n.d.",
    "ongoing",
    "unknown",
]
NUMBER = st.one_of(
    st.integers(-10, 200).map(str),
    st.decimals(-5, 300, places=2).map(str),
    ANY,
)
ODD_NUMBERS = [
    "",
    ">89",
    "<0.10",
    "1,5",
    "1.234,5",
    "7y 3m",
    "18 months",
    "3 Jahre",
    "15 mg/m2",
    "2 g/kg",
    "10-0-5",
    "2+",
    "n.d.",
    "1OO",
    "-",
    "-1",
    "150",
    "3",
]


def words(*known: str) -> tuple[str, ...]:
    return known


IDS = [str(i) for i in range(1, 40)]
TABLES: dict[str, dict[str, object]] = {
    "patients": {
        "id": IDS,
        "sex": words("f", "m", "?"),
        "born": DATE,
        "year": words("2010", "2031", "99", "1801"),
        "onset": DATE,
        "diagnosed": DATE,
        "origin": DATE,
        "age": NUMBER,
        "months": NUMBER,
        "diagnosis": words("JDM"),
    },
    "visits": {"id": IDS, "date": DATE, "end": DATE, "label": words("first")},
    "treatments": {
        "id": IDS,
        "drug": words("MTX", "IVIG"),
        "from": DATE,
        "to": DATE,
        "dose": NUMBER,
        "unit": words("mg", "mg/kg"),
    },
    "follow_up": {"id": IDS, "seen": DATE, "state": words("lost", "died"), "why": words("moved")},
    "events": {
        "id": IDS,
        "date": DATE,
        "event": words("relapse", "death"),
        "status": words("yes", "no"),
        "detail": words("mild"),
    },
    "antibodies": {
        "id": IDS,
        "date": DATE,
        "antibody": words("NXP2", "MDA5"),
        "result": NUMBER,
        "assay": words("EUROLINE"),
        "cut_off": NUMBER,
    },
    "observations": {
        "id": IDS,
        "date": DATE,
        "test": words("CK", "CRP", "CMAS"),
        "result": NUMBER,
        "unit": words("U/L", "mg/L"),
        "high": NUMBER,
    },
}
# field of raw: what the text becomes, where the row is not rejected as a whole
VALUES = {
    "patients": {
        "sex": "s.sex",
        "birth_date": "s.birth_year",
        "birth_year": "s.birth_year",
        "onset_date": "s.onset_date_iso",
        "diagnosis_date": "s.diagnosis_date",
        "origin_date": "s.origin_date",
        "age_at_onset": "s.age_at_onset_years",
        "disease_duration": "s.disease_duration_months",
        "diagnosis": "s.diagnosis",
    },
    "visits": {
        "visit_date": "s.visit_date_iso",
        "visit_end_date": "s.visit_end_date_iso",
        "visit_label": "s.visit_label",
    },
    "treatments": {
        "treatment_source": "s.treatment_source",
        "start_date": "s.start_date_iso",
        "stop_date": "s.stop_date_iso",
        "dose": "s.dose",
        "dose_unit": "s.dose_unit",
    },
    "follow_up": {"last_seen_date": "s.last_seen_date_iso", "status_text": "s.status", "reason": "s.reason"},
    "events": {
        "event_date": "s.event_date_iso",
        "event_source": "s.event_source",
        "status_text": "s.status_text",
        "detail": "s.detail",
    },
    "antibodies": {
        "tested_on": "s.tested_date_iso",
        "result_text": "s.result_text",
        "assay_source": "s.assay_source",
        "cut_off": "s.cut_off_number",
    },
    "observations": {
        "observed_on": "s.observed_date_iso",
        "value_text": "s.value_text",
        "unit_source": "s.unit_source",
        "reference_high": "coalesce(s.reference_range, if(try_cast(r.reference_high as double) <= 0, r.reference_high, null))",
    },
}
FIELDS = {
    "result_text": "result",
    "value_text": "value",
    "status_text": "status",
    "treatment_source": "treatment",
    "event_source": "event",
    "unit_source": "unit",
    "assay_source": "assay",
}
# what is decided later must stand with a value, or with a fault
DECIDED = {
    "int_observations": "value is null and value_code is null",
    "int_antibody_results": "result is null",
    "int_events": "event_id is null or status is null",
    "int_treatments": "treatment_id is null",
}
IMPOSSIBLE = {
    "a birth after today": "from marts.dim_patient where birth_year > 2024",
    "an age that cannot be": "from marts.dim_patient where age_at_onset_years < 0 or age_at_onset_years > 125",
    "a duration that cannot be": "from marts.dim_patient where disease_duration_months < 0 or disease_duration_months > 1500",
    "an onset before birth": "from marts.dim_patient where left(onset_date_iso, 4)::int < birth_year",
    "an end before its start": "from marts.fct_treatment where stop_date < start_date",
    "a dose below 0": "from marts.fct_treatment where dose < 0",
    "something before birth or after today": """
        from (
            select hospital_id, patient_key, visit_date_iso as day from marts.fct_visit
            union all select hospital_id, patient_key, event_date_iso from marts.fct_event
            union all select hospital_id, patient_key, start_date_iso from marts.fct_treatment
            union all select hospital_id, patient_key, observed_date_iso from marts.fct_observation
            union all select hospital_id, patient_key, tested_date_iso from marts.fct_antibody_result
            union all select hospital_id, patient_key, last_seen_date_iso from marts.fct_follow_up
        ) join marts.dim_patient using (hospital_id, patient_key)
        where left(day, 4)::int < birth_year or day > '2024-06-30' or left(day, 4)::int < 1899
    """,
}


def table(name: str, dates: list[str], numbers: list[str], texts: list[str], random: Random) -> str:
    """A CSV of many rows whose cells are drawn from what hypothesis made; every patient has a row of
    patients.
    """

    def cell(content: object) -> str:
        if content is DATE or content is NUMBER:
            return random.choice(dates if content is DATE else numbers)
        return (
            random.choice(texts) if content is not IDS and random.random() < 0.15 else random.choice(content)
        )

    rows = [tuple(cell(content) for content in TABLES[name].values()) for _ in range(ROWS)]
    if name == "patients":
        rows += [(i, *[""] * (len(TABLES[name]) - 1)) for i in IDS]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([tuple(TABLES[name]), *rows])
    return out.getvalue()


def built(folder: Path, files: dict[str, str]) -> Registry:
    registry = make_registry(folder / "registry", MAPPING, **files)
    point_at(registry)
    ingest(registry, "north", "first")
    results, _ = build(registry, TODAY)
    assert [r.unique_id for r in results if not r.passed] == []
    return registry


def silent(registry: Registry, entity: str, field: str, value: str) -> list[tuple]:
    """Texts that arrived in a field, became nothing, and of which nobody is told."""
    ours = FIELDS.get(field, field)
    return query(
        registry,
        f"""
        select r.source_row, r.{field} from raw.{entity} as r
        join staging.stg_{entity} as s using (load_id, source_file, source_row)
        where r.{field} is not null and {value} is null
            and lower(trim(r.{field})) not in (
                select lower(mark) from intermediate.missing_marks where entity in ('*', '{entity}') union all select 'n.d.')
            and not exists (
                select 1 from quality.rejected_row as q
                where q.entity = '{entity}' and q.source_file = r.source_file and q.source_row = r.source_row and (q.is_row or q.field = '{ours}'))
    """,
    )


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    dates=st.lists(DATE, min_size=30, max_size=30),
    numbers=st.lists(NUMBER, min_size=20, max_size=20),
    texts=st.lists(ANY, min_size=10, max_size=10),
    seed=st.integers(0, 10**6),
)
def test_no_text_vanishes_and_what_cannot_be_is_in_no_table(
    dates: list[str], numbers: list[str], texts: list[str], seed: int
) -> None:
    random = Random(seed)
    files = {name: table(name, dates + ODD_DATES, numbers + ODD_NUMBERS, texts, random) for name in TABLES}
    with tempfile.TemporaryDirectory() as folder:
        registry = built(Path(folder), files)
        lost = {
            f"{entity}.{field}": found
            for entity, fields in VALUES.items()
            for field, value in fields.items()
            if (found := silent(registry, entity, field, value))
        }
        assert lost == {}
        undecided = {
            m: n
            for m, test in DECIDED.items()
            if (n := query(registry, f"from intermediate.{m} where fault is null and ({test})"))
        }
        assert undecided == {}
        assert {what: rows for what, sql in IMPOSSIBLE.items() if (rows := query(registry, sql))} == {}
        assert query(registry, "select count(distinct rule) > 12 from quality.rejected_row") == [(True,)]
