"""The release is one unit. A click in Dagster's UI on any asset or group alone leaves it whole, or the run
says what to materialize. Its id stands for its content, and nothing new makes no new one.

The clicks run the job that the UI runs, in this process. What no click changes is made once and handed out
again: the results of a dbt build that has nothing to do, and those of the suite of the marts. Belongs here:
which state a click leaves. Does not belong here: what the assets compute.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration.command import cli, flow
from orchestration.database.warehouse_file import warehouse
from orchestration.definitions import build_definitions
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.release import candidate, identity
from orchestration.release.needs_build import needs_build
from orchestration.report import assets as report_assets
from orchestration.report.lineage import Place, find_place, read_kept, way_of
from orchestration.results import assets as results_assets
from orchestration.warehouse import assets as warehouse_assets
from orchestration.warehouse import dbt
from tests.registries import opened, query, table_digests
from tests.unit.test_loading import make_registry

STUDY = """\
study: small
title: Small
groups:
  women: {label: Women, where: {sex: female}}
  men: {label: Men, where: {sex: male}}
variables:
  ck: {label: CK, source: observation}
tables:
  - table_id: I
    title: Baseline
    groups: [women, men]
    reference: women
    visit: baseline
    rows: [{variable: ck, summary: mean_sd, test: welch_t}]
"""
UNIT = {results_assets.CANDIDATE, *results_assets.RESULTS.values(), results_assets.CURRENT}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
STEPS = {  # one asset of each step
    "landing": ["landing", "north"],
    "raw": ["raw", "north"],
    "models": ["marts", "dim_patient"],
    "candidate": ["release", "candidate"],
    "results": ["results", "baseline_summary"],
    "current": ["release", "current"],
    "report": ["report", "study_report"],
}


def small(folder: Path) -> Registry:
    make_registry(folder)
    (folder / "studies").mkdir()
    (folder / "studies" / "small.yml").write_text(STUDY)
    return opened(folder)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = small(tmp_path_factory.mktemp("clicks") / "registry")
    assert flow.run_all(registry).refusals == ()
    return registry


@pytest.fixture
def copied(released: Registry, tmp_path: Path) -> Registry:
    shutil.copytree(released.folder, tmp_path / "registry", symlinks=True)
    return opened(tmp_path / "registry")


@dataclass(frozen=True)
class Clicked:
    """What a click made, or the sentence with which its run failed."""

    made: frozenset[str]
    sentence: str | None


class Dagster:
    """The definitions of a registry, and the clicks on them."""

    def __init__(self, registry: Registry) -> None:
        definitions = build_definitions(registry)
        self.graph = definitions.resolve_asset_graph()
        self.job = definitions.resolve_implicit_global_asset_job_def()
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.add_dynamic_partitions("deliveries_north", ["first"])

    def click(self, *keys: dg.AssetKey) -> Clicked:
        is_partitioned = keys[0].path[0] in ("landing", "raw")
        done = self.job.execute_in_process(
            asset_selection=list(keys),
            partition_key="first" if is_partitioned else None,
            instance=self.instance,
            raise_on_error=False,
            run_config=QUIET,
        )
        failed = [e.event_specific_data.error for e in done.all_events if e.is_step_failure]
        made = {e.asset_key.to_user_string() for e in done.all_events if e.is_step_materialization}
        assert done.success == (not failed)
        for error in failed:
            assert error.cls_name == "GateRefused", error.to_string()
        return Clicked(frozenset(made), failed[0].message if failed else None)


@pytest.fixture
def without_the_slow_parts(monkeypatch: pytest.MonkeyPatch, released: Registry) -> None:
    """A dbt build that has nothing to do, and the suite on marts that are as they were."""
    built = dbt.build(released, full_refresh=False, with_seeds=True)
    assert all(r.passed for r in built)
    checked = candidate.check_marts(released)
    monkeypatch.setattr(dbt, "build", lambda *_, **__: built)
    monkeypatch.setattr(candidate, "check_marts", lambda _: checked)


def whole_release(registry: Registry) -> str:
    """The id of the current release, once it is seen to be whole and alone."""
    path = (registry.releases / "current.duckdb").resolve(strict=True)
    manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == manifest["sha256"]
    with duckdb.connect(str(path), read_only=True) as connection:
        named = connection.execute(
            "select release_id from release.release_info union all select distinct release_id from results.study"
            " union all select distinct release_id from results.baseline_summary"
        ).fetchall()
    assert named == [(manifest["release_id"],)] * 3
    assert path.stem == manifest["release_id"]
    no_candidate_stays(registry)
    return path.stem


def no_candidate_stays(registry: Registry) -> None:
    assert list((registry.releases / ".candidate").glob("*")) == []


def groups(graph: dg.AssetGraph) -> dict[str, list[dg.AssetKey]]:
    found: dict[str, list[dg.AssetKey]] = {}
    for key in sorted(graph.materializable_asset_keys):
        found.setdefault(graph.get(key).group_name, []).append(key)
    return found


@pytest.mark.usefixtures("without_the_slow_parts")
def test_any_group_and_any_step_clicked_alone_leaves_the_release_whole_and_equal(copied: Registry) -> None:
    before = whole_release(copied)
    dagster = Dagster(copied)
    clicked = {**{step: [dg.AssetKey(key)] for step, key in STEPS.items()}, **groups(dagster.graph)}
    assert clicked.keys() >= {"landing", "raw", "staging", "intermediate", "marts", "release", "results"}
    for name, keys in clicked.items():
        done = dagster.click(*keys)
        assert done.sentence is None, name
        assert {key.to_user_string() for key in keys} <= done.made
        assert whole_release(copied) == before, name
        assert not needs_build(copied), name


def test_any_asset_clicked_alone_runs_the_whole_of_its_step(
    copied: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step is all that changes a state: the test above runs each of them, this one finds no other."""
    called: list[str] = []

    def noted(module: ModuleType, name: str, answer: Any) -> None:
        monkeypatch.setattr(module, name, lambda *_, **__: called.append(name) or answer)

    nodes = dbt.read_manifest()["nodes"].values()
    built = [
        dbt.NodeResult(n["unique_id"], n["resource_type"], "success", 0.0, None, "")
        for n in nodes
        if n["resource_type"] in ("model", "seed")
    ]
    page = copied.reports / "current" / "report.html"
    noted(warehouse_assets, "build", (built, {}))
    noted(warehouse_assets, "show_ledger", None)
    noted(results_assets, "_make", [dg.AssetMaterialization(key) for key in UNIT])
    noted(report_assets, "write_report", page)
    step = {"release": ["_make"], "results": ["_make"], "report": ["write_report"], "landing": [], "raw": []}
    dagster = Dagster(copied)
    assert len(dagster.graph.materializable_asset_keys) > 120
    for key in sorted(dagster.graph.materializable_asset_keys):
        called.clear()
        done = dagster.click(key)
        assert (done.sentence, key.to_user_string() in done.made) == (None, True)
        assert called == step.get(key.path[0], ["build", "show_ledger"]), key


def test_one_asset_of_a_release_clicked_alone_makes_and_shows_the_whole_release(copied: Registry) -> None:
    dagster = Dagster(copied)
    assert {k for k in dagster.graph.materializable_asset_keys if k.path[0] in ("release", "results")} == UNIT
    unit = {key.to_user_string() for key in UNIT}
    assert dagster.click(dg.AssetKey(["release", "candidate"])).made == unit


def test_before_anything_is_taken_a_click_says_what_to_materialize(tmp_path: Path) -> None:
    registry = small(tmp_path / "registry")
    dagster = Dagster(registry)
    for step in ("candidate", "results", "current"):
        sentence = dagster.click(dg.AssetKey(STEPS[step])).sentence or ""
        assert "no delivery has been accepted" in sentence and "materialize its partition" in sentence
    sentence = dagster.click(dg.AssetKey(STEPS["report"])).sentence or ""
    assert "there is no release yet" in sentence and "materialize the group release" in sentence
    no_candidate_stays(registry)
    assert not (registry.releases / "current.duckdb").exists()
    assert [p.name for p in registry.reports.glob("*")] == []


def test_a_release_is_not_made_of_models_that_lack_a_delivery_in_force(copied: Registry) -> None:
    """It would name the delivery, and hold nothing of it."""
    before = whole_release(copied)
    second = copied.landing / "north" / "second"
    second.mkdir()
    (second / "patients.csv").write_text("id,name,sex\n3,Cora Example,F\n")
    (second / "visits.csv").write_text("id,date,CK,ALT,remark\n3,2024-01-05,100,20,\n")
    assert ingest(copied, "north", "second").is_accepted
    dagster = Dagster(copied)
    for step in ("candidate", "results", "current"):
        sentence = dagster.click(dg.AssetKey(STEPS[step])).sentence or ""
        assert "the models do not hold the deliveries" in sentence and "materialize the groups" in sentence
        assert whole_release(copied) == before
    assert dagster.click(dg.AssetKey(STEPS["models"])).sentence is None
    assert needs_build(copied)
    assert dagster.click(dg.AssetKey(STEPS["current"])).sentence is None
    assert whole_release(copied) != before


def test_a_release_without_results_is_made_again_and_not_reported(copied: Registry) -> None:
    """An older version could publish one."""
    path = (copied.releases / "current.duckdb").resolve()
    manifest = json.loads(path.with_suffix(".json").read_text())
    manifest["rows"] = {t: n for t, n in manifest["rows"].items() if not t.startswith("results.")}
    path.with_suffix(".json").write_text(json.dumps(manifest))
    assert needs_build(copied)
    dagster = Dagster(copied)
    sentence = dagster.click(dg.AssetKey(STEPS["report"])).sentence or ""
    assert "has no results" in sentence and "materialize the group release" in sentence
    assert dagster.click(dg.AssetKey(STEPS["current"])).sentence is None
    assert dagster.click(dg.AssetKey(STEPS["report"])).sentence is None
    assert not needs_build(copied)


# what identifies a release


def test_a_refused_delivery_changes_no_release(copied: Registry) -> None:
    """Two registries whose ledgers differed had the same id, and other files."""
    before, held = whole_release(copied), release_content(copied)
    second = copied.landing / "north" / "second"
    second.mkdir()
    (second / "patients.csv").write_text("id,name\n3,Cora Example\n")
    assert not ingest(copied, "north", "second").is_accepted
    assert not needs_build(copied)
    assert Dagster(copied).click(dg.AssetKey(STEPS["current"])).sentence is None
    assert (whole_release(copied), release_content(copied)) == (before, held)


def release_content(registry: Registry) -> dict[str, str]:
    with duckdb.connect(str(registry.releases / "current.duckdb"), read_only=True) as connection:
        return table_digests(connection, ("release", "results", "quality"))


def test_a_release_is_due_once_the_day_of_a_rejected_row_has_come(copied: Registry) -> None:
    assert not needs_build(copied)
    with warehouse(copied.warehouse) as connection:
        connection.execute("update raw.registry_setting set value = '2020-01-01' where setting = 'today'")
        connection.execute("update staging.stg_visits set not_before = date '2999-01-01'")
    assert not needs_build(copied)
    with warehouse(copied.warehouse) as connection:
        connection.execute("update staging.stg_visits set not_before = date '2020-01-02'")
    assert needs_build(copied)


def test_another_version_of_a_library_makes_another_release(
    copied: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = whole_release(copied)
    monkeypatch.setattr(identity, "versions", lambda: {"duckdb": "99"})
    assert needs_build(copied)
    assert Dagster(copied).click(dg.AssetKey(STEPS["current"])).sentence is None
    assert whole_release(copied) != before


def test_the_id_of_a_release_follows_its_rows_and_not_their_order(released: Registry) -> None:
    def made(rows: str) -> str:
        with duckdb.connect() as connection:
            connection.execute(f"create table visit as select * from (values {rows}) as v (patient, day)")
            return identity.content_id(released, connection, "memory", ["north"])

    assert made("('a', 1), ('b', 2)") == made("('b', 2), ('a', 1)")
    found = [
        made(rows) for rows in ("('a', 1), ('b', 2)", "('a', 2), ('b', 1)", "('a', 1)", "('a', 1), ('a', 1)")
    ]
    assert len(set(found)) == 4


# the column lineage


def test_every_source_in_the_column_lineage_is_a_column_of_an_asset(released: Registry) -> None:
    graph = build_definitions(released).resolve_asset_graph()
    held = columns_of_tables(released)
    traced: dict[dg.AssetKey, dg.TableColumnLineage] = {}
    columns = {key: schema_in(graph.get(key).metadata) for key in graph.get_all_asset_keys()}
    with dg.DagsterInstance.get() as instance:
        for key in graph.materializable_asset_keys:
            event = instance.get_latest_materialization_event(key)
            assert event is not None and event.asset_materialization is not None, key
            metadata = event.asset_materialization.metadata
            columns[key] = schema_in(metadata) or held.get(tuple(key.path)) or columns[key]
            if "dagster/column_lineage" in metadata:
                traced[key] = metadata["dagster/column_lineage"].value
    assert {key.path[0] for key in traced} == {
        "raw", "staging", "intermediate", "marts", "quality", "release", "results", "report",
    }  # fmt: skip
    unknown = [
        (key.to_user_string(), column, source.asset_key.to_user_string(), source.column_name)
        for key, lineage in traced.items()
        for column, sources in lineage.deps_by_column.items()
        for source in sources
        if source.column_name not in columns.get(source.asset_key, ())
    ]
    assert unknown == []
    for key in traced.keys() - {dg.AssetKey(["raw", "north"])}:
        missing = set(traced[key].deps_by_column) - set(columns[key])
        assert not missing, (key, missing)


def schema_in(metadata: Mapping[str, Any]) -> set[str]:
    schema = metadata.get("dagster/column_schema")
    schema = getattr(schema, "value", schema)
    return {column.name for column in schema.columns} if schema else set()


def columns_of_tables(registry: Registry) -> dict[tuple[str, ...], set[str]]:
    """The columns of the tables that dbt makes, by asset."""
    found: dict[tuple[str, ...], set[str]] = {}
    seeds = {n["alias"] for n in dbt.read_manifest()["nodes"].values() if n["resource_type"] == "seed"}
    rows = "select table_schema, table_name, column_name from information_schema.columns"
    for schema, table, column in query(registry, rows):
        found.setdefault(("catalogue" if table in seeds else schema, table), set()).add(column)
    return found


def test_the_way_of_a_printed_number_leads_to_the_column_of_the_hospitals_file(released: Registry) -> None:
    release = (released.releases / "current.duckdb").resolve()
    lineage = read_kept(released, release)
    [table] = [t for t in lineage if t.startswith("report.small_table_")]
    way = way_of(lineage, Place(table, "Women"))
    assert Place("results.baseline_summary", "display") in way.made_of
    assert {p.layer for p in way.up} >= {
        "landing",
        "raw",
        "staging",
        "intermediate",
        "marts",
        "release",
        "results",
    }
    assert Place("landing.north", "visits.csv: CK") in way.up
    assert Place("landing.north", "patients.csv: name") not in way.up
    source = way_of(lineage, find_place(lineage, "landing.north.visits.csv: CK"))
    assert Place(table, "Women") in source.down and source.up == ()
    page = (released.reports / "current" / "lineage.html").read_text(encoding="utf-8")
    assert "visits.csv: CK" in page and "default-src 'none'" in page


def test_the_command_tells_a_way_and_the_nearest_names_of_an_unknown_column(
    released: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> tuple[int, str]:
        call = ["lineage", *arguments, "--registry", str(released.folder)]
        code = cli.guarded(lambda: cli.app(call, standalone_mode=False) or 0)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    code, shown = told("fct_observation.value_canonical")
    assert (code, shown.splitlines()[0]) == (0, "marts.fct_observation.value_canonical")
    assert "  landing.north: visits.csv: ALT, visits.csv: CK" in shown
    code, shown = told("raw.observations.value_text", "--down")
    assert code == 0 and "results.baseline_summary: " in shown and "report.small_table_" in shown
    code, shown = told("marts.fct_observation.value_canonicl")
    assert code == cli.MISUSED and "value_canonical" in shown
    code, shown = told("fct_observatio.value")
    assert (
        code == cli.MISUSED
        and "fct_observation" in shown
        and "The layers: landing" in " ".join(shown.split())
    )
