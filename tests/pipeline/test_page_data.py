"""The page *Data*: what the registry knows of its deliveries, and what the release holds of each variable."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html import unescape
from pathlib import Path

import duckdb
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.pages.application import application
from orchestration.pages.data import Rhythm, _rhythms
from orchestration.pages.looks import Look
from orchestration.queries.asked import note_answered, note_asked
from orchestration.raw.due import Due
from orchestration.raw.ledger import State
from orchestration.registry.folder import Registry, load_registry
from orchestration.resources import point_at
from orchestration.situation import Delivery, Situation
from tests.pipeline.test_page_cohort import table
from tests.unit.test_loading import make_registry


@pytest.fixture(scope="module")
def pages(shipped_run: Registry) -> TestClient:
    point_at(shipped_run)
    app = application(lambda: shipped_run, Starlette())  # type: ignore[arg-type]
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def release(
    shipped_run: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    found = (shipped_run.releases / "current.duckdb").resolve()
    copied = shutil.copy(found, tmp_path_factory.mktemp("release"))
    with duckdb.connect(str(copied), read_only=True) as connection:
        yield connection


def test_completeness_counts_the_patients_of_each_visit_who_have_the_value(
    pages: TestClient, release: duckdb.DuckDBPyConnection
) -> None:
    page = pages.get("/data", params={"hospital": "zjch"}).text
    shown = {name: cells for name, *cells in chart_table(page, "complete-table")}
    of = "select count(*) from release.fct_visit where is_scheduled and hospital_id = 'zjch'"
    ck = (
        "select count(*) from release.fct_observation where is_visit_value and hospital_id = 'zjch'"
        " and concept_id = 'ck'"
    )
    for place, visit in enumerate(("baseline", "month_3", "month_6", "month_12", "month_24")):
        (n,), (total,) = (
            release.sql(f"{query} and scheduled_visit = '{visit}'").fetchone() or () for query in (ck, of)
        )
        assert shown["Creatine kinase"][place].startswith(f"{n} / {total} (")


@pytest.mark.parametrize(("by", "expected"), [("hospital", 2), ("delivery", 3)])
def test_a_distribution_counts_what_lies_beyond_a_limit_beside_the_numbers(
    pages: TestClient, release: duckdb.DuckDBPyConnection, by: str, expected: int
) -> None:
    page = pages.get("/data", params={"variable": "ifn_gamma", "by": by}).text
    rows = chart_table(page, "distributed-table")
    numbers, beyond, median = release.sql(
        "select count(value_canonical), count(comparator), median(value_canonical)"
        " from release.fct_observation where concept_id = 'ifn_gamma'"
    ).fetchone() or (0, 0, 0)
    assert len(rows) == expected
    assert (sum(int(r[1]) for r in rows), sum(int(r[2]) for r in rows)) == (numbers, beyond)
    assert beyond > 0 and min(float(r[5]) for r in rows) <= median <= max(float(r[5]) for r in rows)


def test_the_codebook_has_every_variable_with_a_value(
    pages: TestClient, release: duckdb.DuckDBPyConnection
) -> None:
    shown = {row[0]: int(row[-1].replace(",", "")) for row in table(pages.get("/data").text, "variables")}
    assert shown == dict(
        release.sql("select concept_id, count(*) from release.fct_observation group by all").fetchall()
    )


def test_each_sender_stands_against_the_rhythm_that_was_agreed(tmp_path: Path) -> None:
    make_registry(tmp_path)
    mapping = tmp_path / "hospitals" / "north.yml"
    silent = load_registry(tmp_path)
    mapping.write_text(f"{mapping.read_text()}expected_every: 1 month\n")
    registry = load_registry(tmp_path)
    due = Due("north", "1 month", date(2024, 2, 1), "2024-01-01")
    situation = Situation((Delivery("north", "2024-01-01", State.ACCEPTED),), (), (), (), (), (), due=(due,))
    look = Look(registry, situation, ())
    late = Rhythm("north", "1 month", "2024-01-01", "2024-02-01", "overdue by 9 days", True)
    assert _rhythms(look, date(2024, 2, 10)) == [late]
    assert _rhythms(look, date(2024, 2, 1)) == [replace(late, told="in time", is_overdue=False)]
    held = Look(registry, replace(situation, due=()), ())
    assert _rhythms(held, date(2024, 2, 10))[0].told.startswith("not known while another process")
    assert _rhythms(replace(held, registry=silent), date(2024, 2, 10))[0].told.startswith("none agreed")


def test_without_a_release_the_page_tells_deliveries_and_questions(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    point_at(registry)
    note_asked(registry, "north", "north", [("q1", "unit"), ("q2", "unit")], date(2024, 1, 1))
    note_answered(registry, "north", [("q1", "accept", True)], date(2024, 1, 5))
    client = TestClient(application(lambda: load_registry(tmp_path), Starlette()))  # type: ignore[arg-type]
    answer = client.get("/data")
    assert answer.status_code == 200 and "There is no release yet" in answer.text
    ((hospital, asked, answered, settled, is_open, oldest, days),) = table(answer.text, "asked")
    assert (hospital, asked, answered, settled, is_open, days) == ("north", "2", "1", "0", "1", "4")
    assert int(oldest.replace(",", "")) == (date.today() - date(2024, 1, 1)).days
    assert client.get("/data?release=r1").status_code == 404


@pytest.mark.parametrize(
    "query", ["hospital=none", "variable=none", "variable=ck'--", "release=none", "hospital=%00"]
)
def test_an_address_made_by_hand_gets_a_sentence(pages: TestClient, query: str) -> None:
    answer = pages.get(f"/data?{query}")
    assert answer.status_code == 404 and "Choose one" in unescape(answer.text)


def chart_table(page: str, name: str) -> list[list[str]]:
    """The table below a chart."""
    part = re.findall(rf'id="{name}"><table>.*?</table>', page, re.DOTALL)[0]
    return table(part.replace("<table>", '<table id="it">'), "it")
