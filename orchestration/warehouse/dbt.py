"""Runs dbt inside this process, and reads its results.

Belongs here: the manifest, one build, its results as plain rows. Does not belong here: Dagster (`assets.py`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestration.files import put_in_place, write_atomically
from orchestration.processes import passing_folder
from orchestration.registry.folder import Registry
from orchestration.resources import DBT_PROJECT

log = logging.getLogger("myositis")

MANIFEST, PARSED = "manifest.json", "partial_parse.msgpack"
_ahead: list[Any] = []  # the project as dbt parsed it, for one build
SOURCES = (
    "models/**/*.sql",
    "models/**/*.yml",
    "models/**/*.md",
    "macros/**/*.sql",
    "seeds/*.csv",
    "seeds/*.yml",
    "tests/**/*.sql",
    "dbt_project.yml",
)


class DbtFailed(Exception):
    """dbt could not run, or a model or test of it failed."""


@dataclass(frozen=True)
class NodeResult:
    """The result of one model, seed or test; counts only."""

    unique_id: str
    resource_type: str
    status: str
    seconds: float
    failures: int | None
    message: str

    @property
    def passed(self) -> bool:
        return self.status in ("success", "pass", "warn")


def target(registry: Registry) -> Path:
    return registry.warehouse.parent / "dbt"


@cache
def project_digest() -> str:
    """A digest of models, macros, seeds and tests. When it changes, the marts are built anew."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(DBT_PROJECT.glob(pattern)):
            digest.update(path.relative_to(DBT_PROJECT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def prepare_manifest() -> Path:
    """manifest.json of the dbt project in target/. It is made when the project has changed, and is the same
    for every registry.
    """
    folder = DBT_PROJECT / "target"
    stamp = folder / "parsed_from"
    wanted = f"{project_digest()} {version('dbt-core')} {version('dbt-duckdb')}"
    if not stamp.exists() or stamp.read_text() != wanted:
        with passing_folder("target-", DBT_PROJECT) as made:
            _invoke(["parse"], made)
            folder.mkdir(exist_ok=True)
            stamp.unlink(missing_ok=True)
            for name in (MANIFEST, PARSED):
                put_in_place(made / name, folder / name)
        write_atomically(stamp, wanted)
    return folder / MANIFEST


def read_manifest() -> dict[str, Any]:
    return json.loads(prepare_manifest().read_text())


@cache
def set_up() -> None:
    """Run a first dbt command, which sets up the process for later ones. A second call costs nothing."""
    with passing_folder("myositis-dbt-") as made:
        _invoke(["list", "--resource-type", "exposure", "--quiet"], made, _parsed_project())


def read_ahead() -> None:
    """Read the project now, for the next build."""
    if not _ahead:
        _ahead.append(_parsed_project())


def _parsed_project() -> Any:
    """The project as dbt parsed it; a run that is given it need not read the files again. dbt writes into it,
    so each run needs its own.
    """
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    path = prepare_manifest().with_name(PARSED)
    return Manifest.from_msgpack(path.read_bytes(), decoder=extended_mashumuro_decoder)


def build(registry: Registry, *, full_refresh: bool, with_seeds: bool) -> list[NodeResult]:
    """Build and test every model in order; when a test fails, what lies behind it is not built.

    A build does not test seeds and does not run unit tests. They are the same in every warehouse, and the
    project's own tests run them.
    """
    arguments = [
        "build",
        "--exclude-resource-type",
        "unit_test",
        "--exclude",
        "path:seeds,resource_type:test",
        "--no-write-json",
    ]
    if not with_seeds:
        arguments += ["--exclude-resource-type", "seed"]
    if full_refresh:
        arguments.append("--full-refresh")
    return _results(
        _invoke(arguments, target(registry), _ahead.pop() if _ahead else _parsed_project(), _tell)
    )


def test(registry: Registry, select: str) -> list[NodeResult]:
    """Run the tests that ``select`` names on tables that are already built."""
    return _results(_invoke(["test", "--select", select], target(registry), _parsed_project()))


def _tell(event: Any) -> None:
    if event.info.name == "LogModelResult":
        log.debug("model %d of %d: %s", event.data.index, event.data.total, event.data.description)


def _invoke(
    arguments: list[str], target: Path, parsed: Any = None, on_event: Callable[[Any], None] | None = None
) -> Any:
    from dbt.cli.main import dbtRunner

    runner = dbtRunner(manifest=parsed, callbacks=[on_event] if on_event else [])
    try:
        outcome = runner.invoke(
            [
                *arguments,
                "--project-dir",
                str(DBT_PROJECT),
                "--profiles-dir",
                str(DBT_PROJECT),
                "--target-path",
                str(target),
                "--log-path",
                str(target / "logs"),
                "--log-level",
                "none",
                "--log-level-file",
                "none",  # dbt's errors quote cells; the results hold what is needed
                "--no-version-check",
            ]
        )
    finally:
        _close_connections()
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
    if outcome.exception is not None:
        raise DbtFailed(str(outcome.exception))
    return outcome.result


def _close_connections() -> None:
    """Close the DuckDB handle that dbt's adapter keeps open. Until then the file cannot be opened with
    another configuration.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import cleanup_connections

    cleanup_connections()
    with DuckDBConnectionManager._LOCK:
        if DuckDBConnectionManager._ENV is not None:
            DuckDBConnectionManager._ENV.close()
            DuckDBConnectionManager._ENV = None


def _results(outcome: Any) -> list[NodeResult]:
    return [
        NodeResult(
            unique_id=r.node.unique_id,
            resource_type=str(r.node.resource_type),
            status=str(r.status),
            seconds=r.execution_time,
            failures=r.failures,
            message=str(r.message or ""),
        )
        for r in outcome.results
    ]


if __name__ == "__main__":
    prepare_manifest()
