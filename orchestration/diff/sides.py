"""Two releases, opened side by side for reading.

Belongs here: finding a release by its name, refusing what cannot be compared, reading what a comparison
needs. Does not belong here: comparing (`changes.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from analytics.study.columns_read import KEY, OBSERVED
from analytics.study.file import Study
from orchestration.registry.folder import Registry
from orchestration.release.identity import CURRENT

if TYPE_CHECKING:
    import pandas as pd

    from orchestration.report.page import ReleaseContent

BEFORE, AFTER = "before", "after"
AGAIN = "make the release again with: myositis run"
LATER = "compare releases that this version made, or " + AGAIN
# what a comparison reads of each table of schema release; a release of another shape is refused
COLUMNS: dict[str, tuple[str, ...]] = {
    "dim_patient": (
        "sender_id", *KEY, "sex", "birth_year", "onset_date_iso", "age_at_onset_years",
        "disease_duration_months",
        "diagnosis", "onset_group", "baseline_date", "baseline_days", "correction_id", "delivery_id",
    ),
    "dim_antibody_status": (*KEY, "msa", "has_conflict", "decided_by"),
    "dim_hospital": ("hospital_id", "population", "unlisted_events"),
    "fct_visit": (
        "sender_id", *KEY, "visit_date_iso", "time_days", "scheduled_visit", "is_scheduled", "correction_id",
        "delivery_id",
    ),
    "fct_observation": (
        "sender_id", *KEY, *OBSERVED, "observation_key", "observed_date_iso", "time_days", "value_text",
        "value_code",
        "unit_canonical", "correction_id", "delivery_id",
    ),
    "fct_antibody_result": (
        "sender_id", *KEY, "antibody_id", "antibody_source", "assay_id", "tested_date_iso", "time_days",
        "result",
        "is_positive", "grade", "correction_id", "delivery_id",
    ),
    "fct_event": (
        "sender_id", *KEY, "event_id", "event_date_iso", "time_days", "status", "correction_id",
        "delivery_id",
    ),
    "fct_treatment": (
        "sender_id", *KEY, "treatment_id", "treatment_source", "start_date_iso", "time_days", "stop_date_iso",
        "stop_days", "dose", "dose_unit", "correction_id", "delivery_id",
    ),
    "fct_follow_up": (
        "sender_id", *KEY, "last_seen_date_iso", "last_seen_days", "status", "correction_id", "delivery_id",
    ),
    "fct_time_to_event": (
        *KEY, "endpoint", "time_months", "is_event", "is_competing", "outcome_known", "censor_reason",
        "origin_days", "entry_months",
    ),
    "fct_definition": (
        *KEY, "definition_id", "version", "status", "level", "level_at_most", "value", "value_at_most",
    ),
    "patient_link": (*KEY, "person_key"),
    "event_types": ("event_id", "category"),
    "visit_schedule": ("scheduled_visit", "nominal_month"),
    "dim_concept": ("concept_id",),
    "dim_definition": ("definition_id", "version"),
    "release_info": ("release_id", "registry_name"),
}  # fmt: skip
IN_A_COHORT = (
    "dim_patient",
    "dim_antibody_status",
    "dim_hospital",
    "fct_visit",
    "fct_event",
    "fct_treatment",
    "fct_follow_up",
    "fct_time_to_event",
    "fct_definition",
    "patient_link",
    "event_types",
    "visit_schedule",
)
QUALITY = {
    "delivery": ("sender_id", "delivery_id", "load_id_in_force", "content_sha256"),
    "correction": ("correction_id", "sender_id", "action", "status"),
}


class NotComparable(Exception):
    """Two releases cannot be compared; the text says why, and what to do."""


@dataclass(frozen=True)
class Load:
    """The content of a delivery that is in force, and the mapping that read it."""

    load_id: str
    content: str


@dataclass(frozen=True)
class Side:
    """One of the two releases."""

    path: Path
    content: ReleaseContent
    manifest: dict[str, Any]  # empty if there is none
    loads: dict[str, Load]  # by sender/delivery
    corrections: dict[str, dict[str, str]]  # those in force or asked, by id
    frames: dict[str, pd.DataFrame]
    studies: dict[str, Study]  # as far as their files are known

    @property
    def release_id(self) -> str:
        return str(self.content.info["release_id"])


def kept(registry: Registry) -> list[Path]:
    """The release files of a registry, the newest first."""
    return sorted(registry.releases.glob("r*.duckdb"), key=_made, reverse=True)


def _made(path: Path) -> tuple[str, float]:
    return str(_manifest(path).get("made_at", "")), path.stat().st_mtime


def chosen(registry: Registry, before: str | None, after: str | None) -> tuple[Path, Path]:
    """The two files that are asked for: ids, beginnings of ids, `current`, or paths of release files. Without
    any, the last two releases; without the second, the current one is compared with the first.
    """
    found = kept(registry)
    if before is None:
        if len(found) < 2:
            raise NotComparable(
                f"{len(found) or 'no'} release{'s are' if not found else ' is'} kept, and a comparison "
                "needs two. The next release is made by: myositis run"
            )
        return found[1], found[0]
    pair = _one(registry, found, before), _one(registry, found, after or "current")
    if pair[0] == pair[1]:
        raise NotComparable(
            f"both names are of the release {pair[0].stem}; name two different releases. Kept: "
            f"{_listed(found)}"
        )
    return pair


def _one(registry: Registry, found: list[Path], name: str) -> Path:
    if name == "current":
        link = registry.releases / CURRENT
        if not link.exists():
            raise NotComparable("there is no current release; make one with: myositis run")
        return link.resolve()
    if name.endswith(".duckdb"):
        if not Path(name).is_file():
            raise NotComparable(f"there is no file {name}; releases kept here: {_listed(found)}")
        return Path(name).resolve()
    exact = [path for path in found if path.stem == name]
    begin = exact or [path for path in found if path.stem.startswith(name) or path.stem[1:].startswith(name)]
    if not begin:
        raise NotComparable(f'no release is called "{name}". Kept: {_listed(found)}')
    if len(begin) > 1:
        raise NotComparable(f'"{name}" begins several releases: {_listed(begin)}; write more of the id')
    return begin[0].resolve()


def _listed(paths: list[Path]) -> str:
    return ", ".join(path.stem for path in paths) or "none"


def _manifest(path: Path) -> dict[str, Any]:
    file = path.with_suffix(".json")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


@contextmanager
def opened(before: Path, after: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Both files, attached as ``before`` and ``after``, for reading. Raises NotComparable."""
    with closing(duckdb.connect()) as connection:
        for name, path in ((BEFORE, before), (AFTER, after)):
            quoted = str(path).replace("'", "''")
            try:
                connection.execute(f"attach '{quoted}' as {name} (read_only)")
            except duckdb.Error:
                raise NotComparable(
                    f"{path.name} cannot be opened: it is damaged or no DuckDB file; restore it from its "
                    "backup, or remove it and its .json, and compare other releases"
                ) from None
            _refuse_other_shapes(connection, name, path)
        yield connection


def _refuse_other_shapes(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    there: dict[str, set[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = ?", [name]
    ).fetchall():
        there.setdefault(f"{schema}.{table}", set()).add(column)
    if "release.release_info" not in there:
        raise NotComparable(
            f"{path.name} is no release: it has no table release.release_info; name a release"
        )
    wanted = {f"release.{t}": c for t, c in COLUMNS.items()} | {f"quality.{t}": c for t, c in QUALITY.items()}
    for table, columns in wanted.items():
        if lacking := [c for c in columns if c not in there.get(table, ())]:
            raise NotComparable(
                f"{path.name} was made by another version of the program: its {table} has no"
                f" {', '.join(lacking)}; {LATER}"
            )


def both_sides(
    connection: duckdb.DuckDBPyConnection, before: Path, after: Path, registry: Registry | None = None
) -> tuple[Side, Side]:
    """What a comparison reads of both. Raises NotComparable if they are of different registries."""
    sides = [_side(connection, name, path) for name, path in ((BEFORE, before), (AFTER, after))]
    names = [str(s.content.info["registry_name"]) for s in sides]
    if names[0] != names[1] and before.parent != after.parent:
        raise NotComparable(
            f'{before.stem} is a release of "{names[0]}" and {after.stem} one of "{names[1]}": two '
            "registries have no patient in common; compare two releases of one registry"
        )
    if sides[0].release_id == sides[1].release_id:
        raise NotComparable(f"both files hold the release {sides[0].release_id}; name two different releases")
    return _with_studies(sides[0], sides[1], registry), _with_studies(sides[1], sides[0], registry)


def _side(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> Side:
    from orchestration.report.page import read_release

    loads = connection.execute(
        "select sender_id || '/' || delivery_id, load_id_in_force, content_sha256 "
        f"from {name}.quality.delivery"
    ).fetchall()
    columns = QUALITY["correction"]
    corrections = connection.execute(
        f"select {', '.join(columns)} from {name}.quality.correction order by all"
    ).fetchall()
    frames = {
        table: connection.execute(f"select {', '.join(COLUMNS[table])} from {name}.release.{table}").df()
        for table in IN_A_COHORT
    }
    frames["fct_observation"] = connection.execute(
        f"select {', '.join((*KEY, *OBSERVED, 'observation_key', 'time_days'))} "
        f"from {name}.release.fct_observation"
    ).df()
    return Side(
        path,
        read_release(path),
        _manifest(path),
        {delivery: Load(load, content) for delivery, load, content in loads},
        {row[0]: dict(zip(columns, row)) for row in corrections},
        frames,
        {},
    )


def _with_studies(side: Side, other: Side, registry: Registry | None) -> Side:
    """The side with its study files: as it holds them, else as the other release or the registry has the file
    of the same sha256.
    """
    found = dict(_declared(side))
    stamps = side.manifest.get("studies") or {}
    for study in side.content.studies:
        name = study.study_id
        if name in found or name not in stamps:
            continue
        same = (other.manifest.get("studies") or {}).get(name) == stamps[name]
        if same and name in (theirs := dict(_declared(other))):
            found[name] = theirs[name]
        elif registry is not None and name in registry.studies:
            file = registry.folder / "studies" / f"{name}.yml"
            if hashlib.sha256(file.read_bytes()).hexdigest() == stamps[name]:
                found[name] = registry.studies[name]
    return Side(**{**vars(side), "studies": found})


def _declared(side: Side) -> Iterator[tuple[str, Study]]:
    from pydantic import ValidationError

    for study in side.content.studies:
        if text := study.study.get("declared"):
            try:
                yield study.study_id, Study.model_validate_json(text)
            except ValidationError:  # by a version whose studies said something else
                continue
