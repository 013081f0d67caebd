"""What cannot be is rejected with the range that holds, and no table counts it; what is only unlikely stands,
and is asked.
"""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from orchestration.queries.finding import find_queries
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.warehouse.build import build
from tests.registries import query
from tests.unit.test_loading import make_registry

TODAY = date(2024, 6, 30)
MAPPING = """\
sender: north
name: North Hospital
rejected_rows_allowed: 1
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex, birth_date: born, birth_year: year, onset_date: onset, diagnosis_date: diagnosed}
  - file: visits.csv
    visits: {patient_id: id, visit_date: date, visit_end_date: end}
  - file: events.csv
    events: {patient_id: id, event_date: date, event: event}
  - file: drugs.csv
    treatments: {patient_id: id, treatment: drug, start_date: from, stop_date: to}
  - file: labs.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit}
"""
FILES = {
    "patients": (
        "id,sex,born,year,onset,diagnosed\n"
        "ok,f,2012-03-04,,2019-05-01,2019-06-01\n"
        "future,f,2032-03-04,,2019-05-01,\n"
        "thai,f,2555-03-04,,2019-05-01,\n"
        "persian,f,1390-03-04,,2019-05-01,\n"
        "old,f,1801-03-04,,2019-05-01,\n"
        "mark,f,1900-01-01,,2019-05-01,\n"
        "onset,f,2019-06-02,,2019-05-01,2019-07-01\n"
        "visits,f,2018-03-04,,,\n"
        "one,f,2012-03-04,,,\n"
        "year,m,,2031,,\n"
        "month,m,2010-01-01,,2019-05-01,2019-07\n"
    ),
    "visits": (
        "id,date,end\n"
        "ok,2019-06-01,2019-06-05\nok,2024-07-15,\nok,2020-01-05,2020-01-02\n"
        "visits,2016-01-05,\nvisits,2017-01-05,\n"
        "one,2001-01-05,\none,2019-01-05,\none,2020-01-05,\none,2021-01-05,\none,2022-01-05,\n"
    ),
    "events": "id,date,event\nok,2018-01-05,relapse\nok,2020-01-05,relapse\none,2002-01-01,relapse\n",
    "drugs": (
        "id,drug,from,to\nok,MTX,2019-06-02,2025-01-01\nok,IVIG,2020-06-02,2019-06-02\none,MTX,2001-06-02,2019-12-31\n"
    ),
    "labs": "id,date,test,result,unit\none,2001-01-05,CK,100,U/L\none,2019-01-05,CK,100,U/L\nok,2077-01-05,CK,100,U/L\n",
}


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = make_registry(
        tmp_path_factory.mktemp("impossible") / "registry",
        MAPPING.replace("exports:", 'dates: ["%Y-%m-%d", "%Y-%m"]\nexports:'),
        **FILES,
    )
    point_at(registry)
    assert ingest(registry, "north", "first") is not None
    results, _ = build(registry, TODAY)
    assert [r.unique_id for r in results if not r.passed] == []
    return registry


def test_each_impossible_fact_has_its_rule(north: Registry) -> None:
    found = query(
        north,
        "select source_file, source_row, rule, column_name, value_text, is_row from quality.rejected_row order by all",
    )
    assert found == [
        ("drugs.csv", 3, "end_before_start", "to", "2019-06-02", True),
        ("drugs.csv", 4, "date_before_birth", "from", "2001-06-02", True),
        ("events.csv", 2, "relapse_before_onset", "date", "2018-01-05", False),
        ("events.csv", 4, "date_before_birth", "date", "2002-01-01", True),
        ("labs.csv", 2, "date_before_birth", "date", "2001-01-05", True),
        ("labs.csv", 4, "date_after_today", "date", "2077-01-05", True),
        ("patients.csv", 3, "date_after_today", "born", "2032-03-04", False),
        ("patients.csv", 4, "date_of_another_calendar", "born", "2555-03-04", False),
        ("patients.csv", 5, "date_of_another_calendar", "born", "1390-03-04", False),
        ("patients.csv", 6, "date_beyond_life", "born", "1801-03-04", False),
        ("patients.csv", 7, "date_is_a_mark", "born", "1900-01-01", False),
        ("patients.csv", 8, "birth_after_other_dates", "born", "2019-06-02", False),
        ("patients.csv", 8, "date_before_birth", "onset", "2019-05-01", False),
        ("patients.csv", 9, "birth_after_other_dates", "born", "2018-03-04", False),
        ("patients.csv", 11, "date_after_today", "year", "2031", False),
        ("patients.csv", 12, "date_not_whole", "diagnosed", "2019-07", False),
        ("visits.csv", 3, "date_after_today", "date", "2024-07-15", True),
        ("visits.csv", 4, "end_before_start", "end", "2020-01-02", True),
        ("visits.csv", 7, "date_before_birth", "date", "2001-01-05", True),
    ]


def test_no_table_counts_it(north: Registry) -> None:
    rows = "select source_row, birth_year, round(age_at_onset_years) from marts.dim_patient order by 1"
    assert query(north, rows) == [
        (2, 2012, 7),
        *((row, None, None) for row in range(3, 10)),
        (10, 2012, None),
        (11, None, None),
        (12, 2010, 9),
    ]
    assert query(north, "select visit_date::varchar from marts.fct_visit order by 1") == [
        (day,)
        for day in (
            "2016-01-05",
            "2017-01-05",
            "2019-01-05",
            "2019-06-01",
            "2020-01-05",
            "2021-01-05",
            "2022-01-05",
        )
    ]
    assert query(
        north, "select event_date::varchar from marts.fct_event where status = 'present' order by 1"
    ) == [("2018-01-05",), ("2020-01-05",)]
    assert query(north, "select start_date::varchar, stop_date::varchar from marts.fct_treatment") == [
        ("2019-06-02", "2025-01-01")
    ]
    assert query(north, "select observed_date::varchar from marts.fct_observation where not is_derived") == [
        ("2019-01-05",)
    ]


def test_the_account_balances(north: Registry) -> None:
    unequal = "from quality.source_table where records <> records_accepted + records_rejected or records <> records_staged"
    assert query(north, unequal) == []


def test_what_is_unlikely_is_asked_and_so_is_what_cannot_be(north: Registry) -> None:
    with duckdb.connect(str(north.warehouse), read_only=True) as connection:
        queries, _ = find_queries(connection, north, "north", "north")
    kinds = {(q.kind, q.file, q.row) for q in queries}
    assert {
        ("relapse_before_onset", "events.csv", 2),
        ("date_after_today", "patients.csv", 3),
        ("birth_after_other_dates", "patients.csv", 8),
        ("date_before_birth", "visits.csv", 7),
        ("end_before_start", "visits.csv", 4),
    } <= kinds


def test_a_build_of_a_later_day_reads_what_lay_in_the_future(north: Registry) -> None:
    """As a full build of that day would; and a build of the first day again reads as that did."""
    before = query(north, "select * exclude (reason) from quality.rejected_row order by all")
    for today, n in ((date(2024, 7, 14), 1), (date(2024, 7, 15), 0), (TODAY, 1)):
        results, _ = build(north, today)
        assert all(r.passed for r in results)
        assert query(north, "select count(*) from quality.rejected_row where value_text = '2024-07-15'") == [
            (n,)
        ]
    assert query(north, "select * exclude (reason) from quality.rejected_row order by all") == before
