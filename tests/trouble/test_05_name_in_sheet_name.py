"""Case 05: sheets, files, members and title rows that are called as a patient."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest

from tests.trouble.case import Case, release_query

NAMES = ("Mueller", "Schmidt", "05.05.2010", "06.06.2011")


@pytest.fixture(scope="module")
def case(case_of: Callable[[str], Case]) -> Case:
    return case_of("05-name-in-sheet-name")


def test_a_number_stands_for_the_name_of_a_sheet_in_the_release(case: Case) -> None:
    rows = release_query(
        case, "select source_file, source_sheet, value from release.fct_observation order by 2"
    )
    assert rows == [("Verlauf.xlsx", "#1", 320.0), ("Verlauf.xlsx", "#2", 120.0)]


def test_no_file_that_a_run_makes_holds_a_sheets_name_but_the_private_ledger(case: Case) -> None:
    made = [
        p
        for p in case.registry.folder.rglob("*")
        if p.is_file() and not p.is_relative_to(case.registry.landing) and p.suffix != ".md"
    ]
    holding = {
        p.relative_to(case.registry.folder).as_posix()
        for p in made
        for name in NAMES
        if name.encode() in p.read_bytes()
    }
    assert holding == {"private/names.csv"}


def test_the_private_ledger_tells_its_owner_alone_which_sheet_a_number_is(case: Case) -> None:
    ledger = case.registry.folder / "private" / "names.csv"
    assert (ledger.stat().st_mode & 0o777, ledger.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with ledger.open(encoding="utf-8", newline="") as file:
        found = {
            (row["kind"], row["within"], row["told_as"]): row["name"]
            for row in csv.DictReader(file)
            if row["sender"] == case.sender
        }
    assert found == {
        ("sheet", "Verlauf.xlsx", "#1"): "Mueller Anna 05.05.2010",
        ("sheet", "Verlauf.xlsx", "#2"): "Schmidt Ben 06.06.2011",
    }
