"""Laws of deliveries: whatever came in which order, was sent again, corrected or taken back, the end is as if
built at once.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.database.warehouse_file import warehouse
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.warehouse.build import build
from orchestration.warehouse.correction_cells import CorrectionsRefused, resolve_corrections
from tests.registries import opened, table_digests, warehouse_digest
from tests.unit.test_loading import make_registry

FEW = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
MAPPING = """\
sender: north
name: North Hospital
kind: {kind}
rejected_rows_allowed: 1
changes_allowed: {changes}
exports:
  - file: patients.csv
    patients: {{patient_id: id, sex: sex, origin_date: admitted}}
  - file: labs.csv
    observations: {{patient_id: id, observed_on: date, concept: test, value: result, unit: unit}}
  - file: events.csv
    events: {{patient_id: id, event_date: date, event: event}}
"""
ANY_CHANGE, FEW_CHANGES = "{changed: 1, gone: 1, rows: 1000}", "{changed: 0.3, gone: 0.3, rows: 0}"
PATIENT, DAY = st.sampled_from("123"), st.sampled_from(["2024-01-01", "2024-01-09", "2024-03-30"])
LAB = st.tuples(
    PATIENT,
    DAY,
    st.sampled_from(["CK", "ALT"]),
    st.sampled_from(["10", "<5", "1O", "20"]),
    st.sampled_from(["U/L", "bushels"]),
)
TABLES = {
    "patients": (
        "id,sex,admitted",
        st.lists(st.tuples(PATIENT, st.sampled_from("FMx"), DAY), min_size=1, max_size=3),
    ),
    "labs": ("id,date,test,result,unit", st.lists(LAB, min_size=1, max_size=6)),
    "events": (
        "id,date,event",
        st.lists(
            st.tuples(PATIENT, DAY, st.sampled_from(["dysphagia", "relapse", "unheard-of"])),
            min_size=1,
            max_size=3,
        ),
    ),
}
CONTENT = st.fixed_dictionaries({name: rows for name, (_, rows) in TABLES.items()})
RECORDS = {
    "letter_o": '{id: letter_o, match: {file: labs.csv}, expect: {result: "1O"}, value: {result: "10"}, reason: r, status: mended}',
    "unit": "{id: unit, match: {file: labs.csv, cells: {test: ALT}}, expect: {unit: bushels}, value: {unit: U/L}, reason: r, status: mended}",
    "not_sent": "{id: not_sent, match: {file: events.csv}, expect: {event: unheard-of}, action: drop, reason: r, status: mended}",
    "date": '{id: date, match: {file: labs.csv, cells: {test: CK}}, expect: {date: "2024-03-30"}, value: {date: "2024-03-31"},'
    " reason: r, status: mended}",
}
DELIVERY = st.tuples(st.just("deliver"), st.sampled_from(["2024-01", "2024-02", "2024-03"]), CONTENT)
CORRECTION = st.tuples(st.just("correct"), st.sets(st.sampled_from(sorted(RECORDS))), st.none())


def registry_in(folder: Path, kind: str, changes: str) -> Registry:
    make_registry(folder, MAPPING.format(kind=kind, changes=changes), patients="", visits="")
    shutil.rmtree(folder / "landing" / "north" / "first")
    return opened(folder)


def apply(registry: Registry, step: tuple) -> Registry:
    """One step of a history: a delivery comes, for the first time or again, or the records of corrections
    change.
    """
    what, which, content = step
    if what == "deliver":
        folder = registry.landing / "north" / which
        folder.mkdir(parents=True, exist_ok=True)
        for name, (header, _) in TABLES.items():
            (folder / f"{name}.csv").write_text(
                "\n".join([header, *(",".join(row) for row in content[name])]) + "\n"
            )
        ingest(registry, "north", which)
        return registry
    (registry.folder / "corrections").mkdir(exist_ok=True)
    lines = "".join(f"  - {RECORDS[r]}\n" for r in sorted(which)) or "  []\n"
    (registry.folder / "corrections" / "north.yml").write_text(f"sender: north\ncorrections:\n{lines}")
    return opened(registry.folder)


def at_once(registry: Registry, folder: Path) -> Registry:
    """The same files, records and pseudonym key in a new registry, delivered by name."""
    shutil.copytree(registry.folder, folder, ignore=shutil.ignore_patterns("warehouse", ".dagster"))
    fresh = opened(folder)
    for delivery in fresh.deliveries("north"):
        ingest(fresh, "north", delivery)
    return fresh


def in_force(registry: Registry) -> dict[str, object]:
    """What schema raw holds of the loads in force, of what corrections do to them, and of what they
    change.
    """
    with warehouse(registry.warehouse) as connection:
        resolve_corrections(connection, registry)
        held = {}
        for table in ("patients", "observations", "events", "registry_corrected_cell", "source_table"):
            connection.execute(
                f"create temp table t_{table} as select * from raw.{table} semi join raw.current_load using (load_id)"
            )
            held[table] = table_digests(connection, ("main",))[f"main.t_{table}"]
        held["changes"] = connection.execute(
            "select * from raw.delivery_change semi join (select load_id from raw.delivery where state = 'accepted') using (load_id)"
            " where compared_with = 'earlier deliveries' order by all"
        ).fetchall()
        held["states"] = connection.execute(
            "select delivery_id, arg_max(state, loaded_at) from raw.delivery where state <> 'replaced' group by 1 order by 1"
        ).fetchall()
    return held


@settings(FEW, max_examples=6)
@given(
    st.sampled_from(["incremental", "full"]),
    st.lists(st.one_of(DELIVERY, DELIVERY, CORRECTION), min_size=3, max_size=6),
)
def test_raw_after_any_history_is_what_the_last_files_give_at_once(kind: str, history: list[tuple]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("orchestration.running.checks.run_suite", return_value=[]),
    ):
        registry = registry_in(Path(folder) / "history", kind, ANY_CHANGE)
        for step in history:
            registry = apply(registry, step)
        assert in_force(registry) == in_force(at_once(registry, Path(folder) / "at_once"))


@settings(FEW, max_examples=6)
@given(st.permutations(["2024-01", "2024-02", "2024-03"]), st.lists(CONTENT, min_size=3, max_size=3))
def test_which_deliveries_change_too_much_does_not_depend_on_the_order_of_their_arrival(
    order: list[str], contents: list[dict]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("orchestration.running.checks.run_suite", return_value=[]),
    ):
        registry = registry_in(Path(folder) / "history", "incremental", FEW_CHANGES)
        for name in order:
            registry = apply(registry, ("deliver", name, contents[int(name[-1]) - 1]))
        for name in registry.deliveries(
            "north"
        ):  # the next run: what was refused for what has changed since is judged again
            ingest(registry, "north", name)
        assert in_force(registry) == in_force(at_once(registry, Path(folder) / "at_once"))


@settings(FEW, max_examples=1)
@given(st.lists(st.tuples(DELIVERY, st.one_of(DELIVERY, CORRECTION)), min_size=3, max_size=3))
def test_models_built_step_by_step_equal_models_built_at_once(history: list[tuple[tuple, tuple]]) -> None:
    """Keys of patients are equal too: both registries share the pseudonym key. What a file replaced is
    history, and left out.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("orchestration.running.checks.run_suite", return_value=[]),
    ):
        registry = registry_in(Path(folder) / "history", "incremental", ANY_CHANGE)
        for steps in history:
            for step in steps:
                registry = apply(registry, step)
            with suppress(CorrectionsRefused):
                assert all(r.passed for r in build(registry)[0])
        fresh = at_once(registry, Path(folder) / "at_once")
        for either in (registry, fresh):
            with suppress(CorrectionsRefused):
                assert all(r.passed for r in build(opened(either.folder))[0])
            with duckdb.connect(str(either.warehouse)) as connection:
                connection.execute(
                    "delete from raw.delivery_change where compared_with = 'the replaced files'"
                )
        layers = ("staging", "intermediate", "marts", "quality")
        assert warehouse_digest(registry, layers) == warehouse_digest(fresh, layers)
