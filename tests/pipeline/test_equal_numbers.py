"""The same number stands in `results`, in the report and on a page."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path

import duckdb
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.pages.application import application
from orchestration.registry.folder import Registry
from orchestration.resources import point_at

CELL = re.compile(r"<t[dh].*?</t[dh]>", re.DOTALL)


def test_log_rank_tests_are_equal_in_results_report_and_page(shipped_run: Registry, tmp_path: Path) -> None:
    point_at(shipped_run)
    found = _of_results(shipped_run, tmp_path)
    report = (shipped_run.reports / "current" / "report.html").read_text(encoding="utf-8")
    pages = TestClient(application(lambda: shipped_run, Starlette()))  # type: ignore[arg-type]
    page = pages.get("/time-to-event").text
    assert len(found) == 7
    assert _rows(report, 'aria-labelledby="nxp2_relapse_log_rank-title"') == found
    assert _rows(page, 'aria-label="Log-rank tests: Relapse"') == found


def _of_results(registry: Registry, folder: Path) -> list[list[str]]:
    """Comparison, statistic, degrees of freedom, p and adjusted p, rounded as a table prints them.

    From a copy, because the pages keep the release open in a manner of their own.
    """
    copied = shutil.copy((registry.releases / "current.duckdb").resolve(), folder / "release.duckdb")
    with duckdb.connect(str(copied), read_only=True) as connection:
        labels = dict(connection.execute("select group_id, label from results.study_group").fetchall())
        rows = connection.execute(
            "select scope, group_a, group_b, statistic, df, p_value, p_adjusted from results.log_rank"
            " where endpoint = 'relapse'"
        ).fetchall()
    return [
        [
            "All groups" if scope == "overall" else f"{labels[a]} vs {labels[b]}",
            f"{statistic:.3f}", f"{df:.0f}", _p(p), _p(adjusted),
        ]
        for scope, a, b, statistic, df, p, adjusted in rows
    ]  # fmt: skip


def _p(value: float | None) -> str:
    return "" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _rows(page: str, label: str) -> list[list[str]]:
    """The cells of the body of the first table that has the label."""
    body = re.findall(r"<tbody.*?</tbody>", page[page.index(label) :], re.DOTALL)[0]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in CELL.findall(row)] for row in rows]
