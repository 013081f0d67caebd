"""Layer release: one read-only DuckDB file with the marts and the results made from them, published in one rename.

Belongs here: the gate before a release, the candidate file, its identity, publishing, keeping old releases. A release
exists only if its checks passed; readers never see half of one.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from orchestration import dbt, second_process
from orchestration.checks import check_marts
from orchestration.database import warehouse
from orchestration.raw import POOL
from orchestration.registry import Registry
from orchestration.resources import current_registry
from orchestration.runs import let_go, mark_alive, wait_for_writers, write_lock

MARTS = (
    "dim_hospital", "dim_patient", "dim_concept", "dim_antibody_status", "fct_visit", "fct_observation",
    "fct_antibody_result", "fct_event", "fct_treatment", "fct_follow_up", "fct_time_to_relapse",
    "dim_definition", "fct_definition", "patient_link",
)
PACKAGES = ("duckdb", "dbt-core", "dbt-duckdb", "dagster", "great-expectations", "pandas", "numpy", "scipy", "statsmodels", "lifelines")
CODE = ("analytics/**/*.py", "expectations/**/*.py", "expectations/**/*.yml")
CURRENT = "current.duckdb"


class ReleaseRefused(Exception):
    """The marts did not pass their gate; the last good release stays."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("no release: the marts do not pass their gate; a release made before stays\n" + "\n".join(f"  {r}" for r in reasons))


def release_id(registry: Registry, connection: duckdb.DuckDBPyConnection) -> str:
    """Names what a release is made from: the loads in force, rules, corrections, waivers, studies and code. Equal inputs, equal id."""
    loads = connection.execute("select load_id from raw.current_load order by 1").fetchall()
    parts = [*(load for (load,) in loads), registry.rules_digest(), registry.studies_digest(), registry.file.model_dump_json(),
             registry.records_digest(date.today()), dbt.project_digest(), _code_digest()]
    return "r" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _code_digest() -> str:
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for pattern in CODE:
        for path in sorted(root.glob(pattern)):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def current_manifest(registry: Registry) -> dict[str, Any] | None:
    """The manifest of the release that readers see, if there is one."""
    link = registry.releases / CURRENT
    manifest = link.resolve().with_suffix(".json")
    return json.loads(manifest.read_text()) if link.exists() and manifest.exists() else None


def candidate_file(registry: Registry) -> Path:
    return registry.releases / ".candidate" / "candidate.duckdb"


def make_candidate(registry: Registry) -> str:
    """Gate the marts, then copy them and the quality tables into the candidate file; returns the release_id."""
    from expectations import gate

    if failed := gate(second_process.call(check_marts, registry)):
        raise ReleaseRefused([r.sentence() for r in failed])
    path = candidate_file(registry)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.iterdir():
        leftover.unlink()
    with warehouse(registry.warehouse) as connection:
        identity = release_id(registry, connection)
        connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as candidate")
        connection.execute("create schema candidate.release; create schema candidate.results; create schema candidate.quality")
        for table in MARTS:
            connection.execute(
                f"create table candidate.release.{table} as select columns(c -> c <> 'build_number') from marts.{table} order by all"
            )
        _copy_quality(connection)
        connection.execute(
            "create table candidate.release.release_info as select ? as release_id, ? as registry_name, ? as synthetic,"
            " ? as small_cell_threshold, ? as versions",
            [identity, registry.file.name, registry.file.synthetic, registry.file.small_cell_threshold, json.dumps(versions())],
        )
        connection.execute("create table candidate.release.event_types as select event_id, category from intermediate.event_types order by 1")
        connection.execute("create table candidate.release.visit_schedule as select * from raw.registry_visit_window order by nominal_day")
        connection.execute("detach candidate")
    return identity


def _copy_quality(connection: duckdb.DuckDBPyConnection) -> None:
    """Deliveries, files, counts of rejected rows and check results; the texts that were rejected stay in the warehouse."""
    for table in ("correction", "delivery", "delivery_change", "delivery_file", "source_table"):
        columns = "* exclude (loaded_at)" if table == "delivery" else "*"
        connection.execute(f"create table candidate.quality.{table} as select {columns} from quality.{table} order by all")
    connection.execute(
        "create table candidate.quality.rejected_summary as"
        " select r.sender_id, r.delivery_id, r.source_file, r.source_sheet, r.entity, r.rule, r.column_name,"
        " r.counts_against_threshold, count(*) as rows from quality.rejected_row as r"
        " where r.load_id in (select load_id from raw.current_load) group by all order by all"
    )
    connection.execute(
        "create table candidate.quality.check_result as select * from quality.check_result"
        " where scope = 'marts' or scope in (select load_id from raw.current_load) order by all"
    )


def versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def publish(registry: Registry) -> dict[str, Any]:
    """Make the candidate the current release: checkpoint, fsync, rename, manifest, and last the link in one rename."""
    candidate = candidate_file(registry)
    with duckdb.connect(str(candidate)) as connection:
        identity, name = connection.execute("select release_id, registry_name from release.release_info").fetchone()
        tables = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables order by 1"
        ).fetchall()
        rows = {t: connection.execute(f"select count(*) from {t}").fetchone()[0] for (t,) in tables}
        deliveries = connection.execute(
            "select sender_id, delivery_id, content_sha256, rows_in, rows_accepted, rows_rejected from quality.delivery"
            " where load_id_in_force is not null order by all"
        ).fetchall()
        checks = connection.execute(
            "select count(*), count(*) filter (where passed), count(*) filter (where waived) from quality.check_result"
        ).fetchone()
        connection.execute("checkpoint")
    with candidate.open("rb") as handle:
        os.fsync(handle.fileno())
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    manifest = {
        "release_id": identity,
        "registry": name,
        "synthetic": registry.file.synthetic,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": sha256,
        "rows": rows,
        "checks": dict(zip(("run", "passed", "waived"), checks)),
        "versions": versions(),
        "deliveries": [
            dict(zip(("sender_id", "delivery_id", "content_sha256", "rows_in", "rows_accepted", "rows_rejected"), d)) for d in deliveries
        ],
        "studies": {s: _file_sha256(registry.folder / "studies" / f"{s}.yml") for s in registry.studies},
    }
    target = registry.releases / f"{identity}.duckdb"
    os.chmod(candidate, 0o444)
    _write_durably(target.with_suffix(".json"), json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    os.replace(candidate, target)
    link = registry.releases / f".{CURRENT}.new"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    os.replace(link, registry.releases / CURRENT)
    _sync_folder(registry.releases)
    _drop_old(registry, keep=identity)
    return manifest


def _write_durably(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(part, path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _drop_old(registry: Registry, keep: str) -> None:
    files = sorted(registry.releases.glob("r*.duckdb"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in files[registry.file.keep_releases:]:
        if path.stem != keep:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink()


def forget_loads_out_of_force(registry: Registry) -> None:
    """After a release, the raw rows of replaced and refused loads go; the ledger keeps that they were."""
    from orchestration.delivery_ledger import LOAD_TABLES

    with warehouse(registry.warehouse) as connection:
        connection.begin()
        for table in LOAD_TABLES:
            connection.execute(
                f"delete from {table} where load_id not in (select load_id from raw.delivery where state = 'accepted')"
            )
        connection.commit()


def candidate_asset(deps: list[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["release", "candidate"],
        deps=deps,
        group_name="release",
        kinds={"duckdb"},
        pool=POOL,
        description="The marts, copied into a file of their own once the marts suite holds.",
        check_specs=[dg.AssetCheckSpec("marts_suite", asset=["release", "candidate"], blocking=True,
                                       description="The Great Expectations suite expectations/marts.yml holds.")],
    )
    def candidate(context: dg.AssetExecutionContext) -> Iterator[Any]:
        registry = current_registry()
        mark_alive(registry, context.run_id)
        wait_for_writers(registry)
        try:
            identity = make_candidate(registry)
        except ReleaseRefused as refusal:
            yield dg.AssetCheckResult(check_name="marts_suite", passed=False, metadata={"failed": len(refusal.reasons)})
            raise dg.Failure(str(refusal), allow_retries=False) from refusal
        yield dg.MaterializeResult(
            metadata={"release_id": identity},
            check_results=[dg.AssetCheckResult(check_name="marts_suite", passed=True)],
        )

    return candidate


def release_asset(deps: list[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["release", "current"],
        deps=deps,
        group_name="release",
        kinds={"duckdb"},
        pool=POOL,
        description="release/current.duckdb: what analysts, reports and other systems read.",
    )
    def current(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        registry = current_registry()
        mark_alive(registry, context.run_id)
        manifest = publish(registry)
        forget_loads_out_of_force(registry)
        let_go(write_lock(registry))
        return dg.MaterializeResult(
            metadata={"release_id": manifest["release_id"], "sha256": manifest["sha256"], "tables": len(manifest["rows"]),
                      "rows": sum(manifest["rows"].values()), "deliveries": len(manifest["deliveries"])},
            data_version=dg.DataVersion(manifest["release_id"]),
        )

    return current


