"""What changed between two releases, as records.

Belongs here: one function on two opened releases, and the records that it returns. Does not belong here:
opening them (`sides.py`), showing the records (`told.py`, `pages/releases.py`).

The records hold counts, numbers as the report prints them, and names of deliveries and correction records;
the keys of patients stand in `patient_keys` alone, which no screen shows unasked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.diff.rows import ADDED, REMOVED, Origin, changed_rows, delivery_changes, with_origins
from orchestration.diff.sides import AFTER, BEFORE, Side, both_sides, opened
from orchestration.diff.why import DELIVERED, STUDY, Cause, Declared, StudyWhys
from orchestration.registry.folder import Registry

if TYPE_CHECKING:
    import pandas as pd

    from analytics.printed.numbers import PrintedNumber

REGROUPED = "regrouped"
# tables of schema release that people or the program state; what each is called, and whether it decides
# values
STATED = {
    "visit_schedule": ("visit schedule", True),
    "dim_concept": ("catalogue of concepts", True),
    "event_types": ("catalogue of events", True),
    "dim_definition": ("definitions", True),
    "dim_hospital": ("hospitals", True),
}
LIBRARIES = "library"
COMPUTING = ("numpy", "pandas", "scipy", "statsmodels", "lifelines", "duckdb")  # the others build and check


@dataclass(frozen=True)
class ReleaseName:
    release_id: str
    made_at: str
    is_synthetic: bool


@dataclass(frozen=True)
class DeliveryChange:
    """``change``: added, replaced, withdrawn, or read by another mapping."""

    delivery: str
    change: str


@dataclass(frozen=True)
class RecordChange:
    """A correction record that came, went or changed."""

    record: str
    sender: str
    change: str
    action: str
    status: str


@dataclass(frozen=True)
class PatientChange:
    """How many patients of a hospital came, went or changed groups. ``study`` is empty for the whole
    registry.
    """

    study: str
    hospital: str
    change: str
    from_group: str
    to_group: str
    count: int
    deliveries: tuple[str, ...]
    records: tuple[str, ...]


@dataclass(frozen=True)
class ValueChange:
    """How many values, antibody results, events, … came, went or changed, by the delivery or record that they
    trace to.
    """

    called: str
    change: str
    count: int
    patients: int
    deliveries: tuple[str, ...]
    records: tuple[str, ...]


@dataclass(frozen=True)
class NumberChange:
    """A printed number that changed. ``before`` or ``after`` is empty where the number does not exist."""

    study: str
    table: str
    place: str
    subject: str
    whom: str
    quantity: str
    before: str
    after: str
    causes: tuple[Cause, ...]

    @property
    def named(self) -> str:
        """``Table II, IgA, NXP2⁺ JDM vs NXP2⁺ adult DM``"""
        return ", ".join(filter(None, (self.place, self.subject, self.whom)))

    @property
    def why(self) -> str:
        return ", ".join(cause.sentence() for cause in self.causes)


@dataclass(frozen=True)
class PatientKey:
    """For inside the house, and only when asked for."""

    hospital: str
    patient_key: str
    change: str


@dataclass(frozen=True)
class Diff:
    """Everything that differs between two releases."""

    before: ReleaseName
    after: ReleaseName
    deliveries: tuple[DeliveryChange, ...]
    records: tuple[RecordChange, ...]
    declared: tuple[Declared, ...]
    patients: tuple[PatientChange, ...]
    values: tuple[ValueChange, ...]
    numbers: tuple[NumberChange, ...]
    numbers_compared: int
    patient_keys: tuple[PatientKey, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (
            self.deliveries or self.records or self.declared or self.patients or self.values or self.numbers
        )


def compare_files(before: Path, after: Path, registry: Registry | None = None) -> Diff:
    """What changed between two release files. Raises NotComparable."""
    with opened(before, after) as connection:
        return compare(connection, *both_sides(connection, before, after, registry))


def compare(connection: duckdb.DuckDBPyConnection, before: Side, after: Side) -> Diff:
    """What changed between two opened releases."""
    rows = with_origins(changed_rows(connection), before, after)
    declared = tuple(_declared(connection, before, after))
    whys = [
        StudyWhys(before, after, name, rows, declared)
        for name in dict.fromkeys(s.study_id for side in (after, before) for s in side.content.studies)
    ]
    numbers, compared = _numbers(before, after, whys)
    return Diff(
        _name(before),
        _name(after),
        tuple(DeliveryChange(d, c) for d, c in delivery_changes(before.loads, after.loads).items()),
        tuple(_records(before, after)),
        declared,
        tuple([*_patients(rows), *(p for w in whys for p in _regrouped(w))]),
        tuple(_values(rows)),
        numbers,
        compared,
        tuple(_keys(rows)),
    )


def _name(side: Side) -> ReleaseName:
    info = side.content.info
    return ReleaseName(side.release_id, str(side.manifest.get("made_at", "")), bool(info.get("synthetic")))


def _records(before: Side, after: Side) -> Iterator[RecordChange]:
    for name in sorted(before.corrections.keys() | after.corrections.keys()):
        was, now = before.corrections.get(name), after.corrections.get(name)
        if was != now:
            told = now or was or {}
            change = "added" if was is None else "removed" if now is None else "changed"
            yield RecordChange(name, told["sender_id"], change, told["action"], told["status"])


def _declared(connection: duckdb.DuckDBPyConnection, before: Side, after: Side) -> Iterator[Declared]:
    yield from _studies(before, after)
    for table, (called, decides) in STATED.items():
        if n := _rows_that_differ(connection, table):
            yield Declared(called, f"{n} row{'s' if n > 1 else ''} changed", decides_values=decides)
    for key, called in (
        ("dates", "dates that leave the house"),
        ("small_cell_threshold", "small-cell threshold"),
    ):
        was, now = (side.content.info.get(key) for side in (before, after))
        if was != now:
            yield Declared(called, f"{was} → {now}")
    yield from _program(before, after)
    versions = before.content.versions, after.content.versions
    for name in sorted(versions[0].keys() | versions[1].keys()):
        was, now = (v.get(name, "none") for v in versions)
        if was != now:
            yield Declared(LIBRARIES, f"{name} {was} → {now}", computes=name in COMPUTING)


def _studies(before: Side, after: Side) -> Iterator[Declared]:
    stamps = [side.manifest.get("studies") or {} for side in (before, after)]
    names = [{s.study_id for s in side.content.studies} for side in (before, after)]
    for study in sorted(names[0] | names[1]):
        if study not in names[0] or study not in names[1]:
            yield Declared(STUDY, f"{study}.yml {'added' if study in names[1] else 'removed'}")
        elif study in before.studies and study in after.studies:
            if before.studies[study] != after.studies[study]:
                yield Declared(STUDY, f"{study}.yml changed: {_parts_that_differ(before, after, study)}")
        elif stamps[0].get(study) != stamps[1].get(study):
            yield Declared(STUDY, f"{study}.yml changed")


def _parts_that_differ(before: Side, after: Side, study: str) -> str:
    was, now = (side.studies[study].model_dump(mode="json") for side in (before, after))
    return ", ".join(key for key in now if was.get(key) != now[key])


def _program(before: Side, after: Side) -> Iterator[Declared]:
    was, now = (side.manifest.get("program") for side in (before, after))
    if not was or not now:
        if was != now:
            lacking = before.release_id if not was else after.release_id
            yield Declared("program", f"{lacking} does not say which code made it", True, True)
        return
    version = f" ({was['version']} → {now['version']})" if was["version"] != now["version"] else ""
    if was["models"] != now["models"]:
        yield Declared(
            "program", f"the models or the shipped catalogue changed{version}", decides_values=True
        )
    if was["code"] != now["code"]:
        yield Declared("program", f"the code of statistics or gates changed{version}", computes=True)


def _rows_that_differ(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of a small table that only one side has; of a row that changed, the one of the later release."""
    columns = [
        {c[0] for c in connection.execute(f"describe {side}.release.{table}").fetchall()}
        for side in (BEFORE, AFTER)
    ]
    listed = ", ".join(f'"{c}"' for c in sorted(columns[0] & columns[1]))
    counts = [
        connection.execute(
            f"select count(*) from (select {listed} from {one}.release.{table}"
            f" except all select {listed} from {other}.release.{table})"
        ).fetchall()[0][0]
        for one, other in ((AFTER, BEFORE), (BEFORE, AFTER))
    ]
    return max(counts)


def _patients(rows: pd.DataFrame) -> Iterator[PatientChange]:
    """Patients of the registry that came or went."""
    of_patients = rows[(rows["table_name"] == "dim_patient") & rows["change"].isin([ADDED, REMOVED])]
    for (hospital, change, origin), n in _counted(of_patients, ["hospital_id", "change", "origin"]):
        yield PatientChange("", hospital, change, "", "", n, _told(origin), origin.records)


def _regrouped(whys: StudyWhys) -> Iterator[PatientChange]:
    """Patients who are in another group of a study, by the groups' labels."""
    from analytics.study.reads import MEMBERS, Input

    cohorts = whys.cohorts
    changes = whys.changes(Input(MEMBERS)) if cohorts else None
    if cohorts is None or changes is None:
        return
    groups: dict[tuple[str, str, str, Origin], int] = {}
    known = [set(c.patients["patient"]) for c in cohorts]
    for row in changes.itertuples(index=False):
        if row.patient in known[0] and row.patient in known[1] and row.group_before != row.group_after:
            hospital = row.patient.partition("|")[0]
            key = (hospital, row.group_before, row.group_after, whys.origin_of_group(row.patient))
            groups[key] = groups.get(key, 0) + 1
    for (hospital, was, now, origin), n in sorted(groups.items()):
        labels = whys.group(0, was), whys.group(1, now)
        yield PatientChange(whys.study_id, hospital, REGROUPED, *labels, n, _told(origin), origin.records)


def _values(rows: pd.DataFrame) -> Iterator[ValueChange]:
    """Everything but whole patients: a description of a patient who came is that patient's."""
    whole = (rows["table_name"] == "dim_patient") & rows["change"].isin([ADDED, REMOVED])
    facts = rows[~whole]
    for (called, change, origin), n in _counted(facts, ["called", "change", "origin"]):
        mine = facts[(facts["called"] == called) & (facts["change"] == change) & (facts["origin"] == origin)]
        patients = len(mine[["hospital_id", "patient_key"]].drop_duplicates())
        yield ValueChange(called, change, n, patients, _told(origin), origin.records)


def _counted(rows: pd.DataFrame, columns: list[str]) -> Iterator[tuple[tuple[Any, ...], int]]:
    counts: dict[tuple[Any, ...], int] = {}
    for key in rows[columns].itertuples(index=False, name=None):
        counts[key] = counts.get(key, 0) + 1
    yield from sorted(counts.items())


def _told(origin: Origin) -> tuple[str, ...]:
    return tuple(DELIVERED[how].format(name) for name, how in origin.deliveries)


def _keys(rows: pd.DataFrame) -> Iterator[PatientKey]:
    changed: dict[tuple[str, str], set[str]] = {}
    for row in rows[["hospital_id", "patient_key", "table_name", "change"]].itertuples(
        index=False, name=None
    ):
        whole = row[2] == "dim_patient" and row[3] in (ADDED, REMOVED)
        changed.setdefault(row[:2], set()).add(row[3] if whole else "changed")
    for (hospital, key), found in sorted(changed.items()):
        yield PatientKey(hospital, key, next((c for c in (ADDED, REMOVED) if c in found), "changed"))


def _numbers(before: Side, after: Side, whys: Iterable[StudyWhys]) -> tuple[tuple[NumberChange, ...], int]:
    """The printed numbers that changed, in the order of the later release, and how many were compared."""
    from analytics.printed.numbers import printed_numbers

    found, compared = [], 0
    for one in whys:
        sides = [
            {
                n.key_of_all: n
                for s in side.content.studies
                if s.study_id == one.study_id
                for n in printed_numbers(s)
            }
            for side in (before, after)
        ]
        keys = dict.fromkeys([*sides[1], *sides[0]])
        compared += len(keys)
        for key in keys:
            was, now = sides[0].get(key), sides[1].get(key)
            told = now or was
            texts = [n.text if n else "" for n in (was, now)]
            if told is not None and texts[0] != texts[1]:
                found.append(_number(one, told, texts))
    return tuple(found), compared


def _number(whys: StudyWhys, told: PrintedNumber, texts: list[str]) -> NumberChange:
    return NumberChange(
        whys.study_id,
        told.table,
        told.place,
        told.subject,
        told.whom,
        told.called,
        texts[0],
        texts[1],
        whys.why(told),
    )
