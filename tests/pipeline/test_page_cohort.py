"""The page *Cohort*: who is in each analysis and who is not, as `results.cohort_member` has it."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.pages.application import application
from orchestration.registry.folder import Registry


@pytest.fixture(scope="module")
def pages(shipped_run: Registry) -> TestClient:
    app = application(lambda: shipped_run, Starlette())  # type: ignore[arg-type]
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def copied(shipped_run: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages keep the release open with a lock of their own."""
    release = (shipped_run.releases / "current.duckdb").resolve()
    return Path(shutil.copy(release, tmp_path_factory.mktemp("release")))


def asked(release: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(release), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def table(page: str, name: str) -> list[list[str]]:
    """The cells of a table's body, as texts."""
    body = re.findall(rf'<table id="{name}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<t[dh].*?</t[dh]>", row)]
        for row in rows
    ]


def test_each_analysis_shows_every_patient_with_the_criterion_and_the_day(
    pages: TestClient, copied: Path
) -> None:
    analyses = asked(copied, "select distinct kind, analysis from results.cohort_member")
    assert len(analyses) > 5
    for kind, analysis in analyses:
        where = f"kind = '{kind}' and analysis = '{analysis}'"
        page = pages.get("/cohort", params={"analysis": f"{kind}:{analysis}"})
        rows = asked(
            copied,
            "select hospital_id, patient_key[:12], step, coalesce(criterion, ''), coalesce(decided_date_iso, '')"
            f" from results.cohort_member where {where} order by position limit 100",
        )
        shown = table(page.text, "patients")
        assert [(h, p, step, criterion, day) for h, p, _, step, criterion, day, _ in shown] == rows
        counts = table(page.text, "criteria")
        ((n,),) = asked(copied, f"select count(*) from results.cohort_member where {where}")
        assert sum(int(row[3]) for row in counts) == n


def test_only_who_is_not_counted_is_shown_when_asked_for(pages: TestClient, copied: Path) -> None:
    key = {"analysis": "cohort:cohort"}
    everybody = table(pages.get("/cohort", params=key).text, "patients")
    inside = table(pages.get("/cohort", params=key | {"shown": "in"}).text, "patients")
    rows = asked(copied, "select count(*) from results.cohort_member where kind = 'cohort' and is_counted")
    assert 0 < len(inside) == rows[0][0] <= len(everybody)


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("study=none", 404, "Its studies: nxp2"),
        ("analysis=table:none", 404, "Choose one from the list of this page"),
        ("analysis=x' or 1=1 --", 404, "Choose one from the list of this page"),
        ("release=none", 404, "There is no release of this name"),
        ("page=99999", 200, "There is nobody on this page of the list"),
        ("page=-1&shown=%00", 200, "Cohort"),
    ],
)
def test_an_address_made_by_hand_gets_a_sentence(
    pages: TestClient, query: str, status: int, told: str
) -> None:
    answer = pages.get(f"/cohort?{query}")
    assert answer.status_code == status and told in unescape(answer.text)
