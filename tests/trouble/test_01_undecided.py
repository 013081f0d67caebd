"""Exchanged dates that the order of the rows does not settle refuse the delivery, in `check`, `run` and
`onboard` alike, until the mapping says what holds; the order of deliveries changes nothing.
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from orchestration.command import flow
from orchestration.onboarding.draft import draft
from orchestration.onboarding.guess import guess_table
from orchestration.onboarding.profile import profile_sample
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.situation import read_situation
from orchestration.warehouse.build import build
from tests.registries import copy_registry, opened
from tests.trouble.case import CASES, Case, add_hospital, query

CASE = "01-dates-exchanged-csv"
OBSERVED = "observed_on: visit_date"


def unordered(tmp_path: Path) -> Registry:
    """The case with each row as a patient of its own: no order tells anything."""
    registry = copy_registry(CASES / CASE, tmp_path / "registry")
    folder = registry.landing / "h" / "2024-06-30"
    header, *rows = (folder / "cmas.csv").read_text().splitlines()
    (folder / "cmas.csv").write_text(
        "\n".join([header, *(row.replace("P1", f"P{i}") for i, row in enumerate(rows))]) + "\n"
    )
    (folder / "patients.csv").write_text("patient_id,sex\n" + "".join(f"P{i},f\n" for i in range(len(rows))))
    return registry


def stating(registry: Registry, reading: str) -> Registry:
    mapping = registry.folder / "hospitals" / "h.yml"
    stated = f"{{column: visit_date, day_and_month: {reading}}}"
    mapping.write_text(
        mapping.read_text()
        .replace("visit_date: visit_date", f"visit_date: {stated}")
        .replace(OBSERVED, f"observed_on: {stated}")
    )
    return opened(registry.folder)


def test_check_and_run_tell_the_sign_the_counts_and_both_readings(tmp_path: Path) -> None:
    registry = unordered(tmp_path)
    (reason,) = ingest(registry, "h", "2024-06-30").reasons
    assert reason.startswith(
        'h/2024-06-30/cmas.csv: column "visit_date": 15 dates written YYYY-NN-NN never show a day above 12, and 20 dates'
    )
    assert "exchanged they are year, day, month" in reason and "day_and_month: exchanged" in reason
    assert not any(year in reason.replace("2024-06-30", "") for year in ("2017", "2018", "2019", "2020"))
    again = unordered(tmp_path / "again")
    assert reason in flow.check(again, read_situation(again))


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A hospital for each remedy, and one that sends date cells beside texts; taken, and built once."""
    folder = tmp_path_factory.mktemp("settled")
    hospitals = {
        "exchanged": stating(unordered(folder / "exchanged"), "exchanged"),
        "as_written": stating(unordered(folder / "as_written"), "as_written"),
        "cells": stating(with_date_cells(folder / "cells"), "exchanged"),
    }
    registry = joined(folder / "registry", {sender: case.folder for sender, case in hospitals.items()})
    for sender in hospitals:
        assert ingest(registry, sender, "2024-06-30").is_accepted
    assert all(r.passed for r in build(registry, date(2024, 7, 1))[0])
    return registry


def joined(folder: Path, hospitals: dict[str, Path]) -> Registry:
    """A registry of the case's hospital, several times: as it stands in each of these folders."""
    folder.mkdir()
    shutil.copy(CASES / CASE / "registry.yml", folder)
    for sender, case in hospitals.items():
        add_hospital(folder, sender, case)
    return opened(folder)


@pytest.mark.parametrize(("reading", "day"), [("exchanged", "2020-04-03"), ("as_written", "2020-03-04")])
def test_the_remedy_works(settled: Registry, reading: str, day: str) -> None:
    found = query(
        Case(settled, reading), "select visit_date_iso from staging.stg_visits where source_row = 6"
    )
    assert found == [(day,)]


def test_a_column_that_is_not_exchanged_may_not_be_called_so(tmp_path: Path) -> None:
    registry = stating(copy_registry(CASES / CASE, tmp_path / "registry"), "exchanged")
    file = registry.landing / "h" / "2024-06-30" / "cmas.csv"
    file.write_text("patient_id,visit_date,cmas\nP1,2019-08-05,30\nP1,2019-08-25,30\n")
    (reason,) = ingest(registry, "h", "2024-06-30").reasons
    assert "the column shows no sign of it" in reason


def test_onboard_leaves_the_column_undecided_with_the_sign(tmp_path: Path) -> None:
    tables, _ = profile_sample(unordered(tmp_path).landing / "h" / "2024-06-30")
    text = draft("h", [guess_table(table) for table in tables], [])
    assert (
        "15 dates written YYYY-NN-NN never show a day above 12" in text and "day_and_month: exchanged" in text
    )
    assert "undecided: [visit_date]" in text


def with_date_cells(tmp_path: Path) -> Registry:
    """The same rows in a workbook, where the exchanged dates are date cells."""
    registry = unordered(tmp_path)
    folder = registry.landing / "h" / "2024-06-30"
    book = openpyxl.Workbook()
    rows = [line.split(",") for line in (folder / "cmas.csv").read_text().splitlines()]
    for patient, day, cmas in rows:
        book.active.append(
            [patient, date.fromisoformat(day) if day[:4].isdigit() else day.replace("-", "/"), cmas]
        )
    book.save(folder / "cmas.xlsx")
    (folder / "cmas.csv").unlink()
    mapping = registry.folder / "hospitals" / "h.yml"
    mapping.write_text(
        mapping.read_text()
        .replace("cmas.csv", "cmas.xlsx")
        .replace('["%d-%m-%Y", "%Y-%m-%d"]', '["%d/%m/%Y"]')
    )
    return opened(registry.folder)


def test_date_cells_beside_texts_are_seen_too(settled: Registry, tmp_path: Path) -> None:
    (reason,) = ingest(with_date_cells(tmp_path), "h", "2024-06-30").reasons
    assert "15 date cells never show a day above 12, and 20 dates written NN/NN/YYYY always do" in reason
    assert query(
        Case(settled, "cells"),
        "select visit_date_iso from staging.stg_visits where source_row in (2, 6) order by source_row",
    ) == [
        ("2020-08-24",),
        ("2020-04-03",),
    ]


def test_the_order_in_which_deliveries_come_changes_no_date(tmp_path: Path) -> None:
    """Two deliveries, one of which is settled by its own order, and rows that two formats read. Two hospitals
    send them, in opposite orders.
    """
    case = copy_registry(CASES / CASE, tmp_path / "case")
    second = case.landing / "h" / "2024-07-01"
    shutil.copytree(case.landing / "h" / "2024-06-30", second)
    (second / "cmas.csv").write_text(
        "patient_id,visit_date,cmas\nP1,13-01-2021,30\nP1,05-02-2021,31\nP1,25-02-2021,32\nP1,03-04-2021,31\n"
    )
    mapping = case.folder / "hospitals" / "h.yml"
    mapping.write_text(
        mapping.read_text()
        .replace(
            '["%d-%m-%Y",',
            'rejected_rows_allowed: 1\nchanges_allowed: {gone: 1, changed: 1}\ndates: ["%d-%m-%Y", "%m-%d-%Y",',
        )
        .replace("dates: rejected", "rejected")
    )
    registry = joined(tmp_path / "registry", {"forwards": case.folder, "backwards": case.folder})
    for forwards, backwards in (("2024-06-30", "2024-07-01"), ("2024-07-01", "2024-06-30")):
        ingest(registry, "forwards", forwards)
        ingest(registry, "backwards", backwards)
        assert all(r.passed for r in build(registry, date(2024, 7, 2))[0])
    rows = "select delivery_id, source_row, visit_date_iso, faults from staging.stg_visits order by all"
    outcomes = [query(Case(registry, sender), rows) for sender in ("forwards", "backwards")]
    assert outcomes[0] == outcomes[1] and len(outcomes[0]) == 39
    assert ("2024-07-01", 3, "2021-02-05") in [row[:3] for row in outcomes[0]]
