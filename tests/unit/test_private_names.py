"""The private ledger of names: kept once, readable by its owner alone, resolved in both directions."""

from __future__ import annotations

from pathlib import Path

from orchestration.registry.private_names import PrivateName, Resolver, keep_names, ledger_of, read_names

NAMES = [
    PrivateName("north", "first", "load", "file", "", "labs_#1.csv", 'labs_Mueller, "Anna".csv'),
    PrivateName("north", "first", "load", "sheet", "#1.xlsx", "#2", "Mueller Anna"),
    PrivateName("north", "first", "load", "file", "", "#1.xlsx", "Mueller.xlsx"),
]


def test_names_are_kept_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    keep_names(tmp_path, NAMES[:2])
    keep_names(tmp_path, NAMES)
    assert list(read_names(tmp_path)) == NAMES
    ledger = ledger_of(tmp_path)
    assert (ledger.stat().st_mode & 0o777, ledger.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [p.name for p in ledger.parent.iterdir()] == ["names.csv"]


def test_a_number_leads_to_the_name_and_the_name_to_the_number_of_its_own_load(tmp_path: Path) -> None:
    keep_names(tmp_path, NAMES)
    names = Resolver.of(tmp_path)
    assert names.file("load", "labs_#1.csv") == 'labs_Mueller, "Anna".csv'
    assert names.sheet("load", "#1.xlsx", "#2") == "Mueller Anna"
    assert names.told_as("load", "Mueller.xlsx", "Mueller Anna") == ("#1.xlsx", "#2")
    assert names.file("another load", "labs_#1.csv") == "labs_#1.csv"
    assert names.told_as("load", "visits.csv", None) == ("visits.csv", None)
