"""The identity of a release, what it was made from, which release is current, and the versions that made it.

A release is identified by its content (`content_id`). What it was made from (`made_from`) only tells whether
there is anything new to build. Does not belong here: making a release (`candidate.py`) or publishing it
(`publication.py`).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from orchestration.registry.folder import Registry
from orchestration.release.free_texts import released_by

PACKAGES = (
    "duckdb",
    "dbt-core",
    "dbt-duckdb",
    "dagster",
    "great-expectations",
    "pandas",
    "numpy",
    "scipy",
    "statsmodels",
    "lifelines",
)
# what gates, computes, copies and describes; the models have a digest of their own
CODE = (
    "analytics/**/*.py",
    "expectations/**/*.py",
    "expectations/**/*.yml",
    "orchestration/release/candidate.py",
    "orchestration/release/descriptions.py",
    "orchestration/results/compute.py",
    "dbt_project/models/**/*.yml",
    "dbt_project/models/*.md",
    "dbt_project/seeds/_seeds.yml",
)
CURRENT = "current.duckdb"


def made_from(registry: Registry, models: str | None) -> str:
    """A digest of everything that a release is made from; ``models`` is the digest of what its models are
    made from. While it stays the same, there is nothing new to build.
    """
    released = json.dumps(released_by(registry), sort_keys=True)
    return _sha256(
        [
            str(models),
            registry.file.model_dump_json(exclude={"unattended", "patient_pages"}),
            released,
            *_computed_by(registry),
        ]
    )[:16]


def content_id(
    registry: Registry, connection: duckdb.DuckDBPyConnection, database: str, info: Sequence[object]
) -> str:
    """The release_id: a hash of every row of every table in ``database`` (a candidate without results), of
    what the release says of itself (``info``), and of what its results are computed by. Results follow from
    these alone.
    """
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ? order by 1, 2",
        [database],
    ).fetchall()
    content = [_digest_of(connection, database, schema, table) for schema, table in tables]
    return "r" + _sha256([*content, repr(list(info)), *_computed_by(registry)])[:12]


def _digest_of(connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str) -> str:
    """The columns of a table, and sums over the hashes of its rows: the order of rows does not count.

    DuckDB's own hash takes a twentieth of the time of md5. It may change with DuckDB's version, and so may
    the release_id, which names the versions anyway.
    """
    columns = [c[:2] for c in connection.execute(f"describe {database}.{schema}.{table}").fetchall()]
    row = ", ".join(f'"{name}"' for name, _ in columns)
    sums = connection.execute(
        f"select count(*), sum(hash({row})), sum(hash('second', {row})) from {database}.{schema}.{table}"
    ).fetchone()
    return repr((schema, table, columns, sums))


def _sha256(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _computed_by(registry: Registry) -> tuple[str, ...]:
    return registry.studies_digest(), _code_digest(), json.dumps(versions(), sort_keys=True)


def _code_digest() -> str:
    root = Path(__file__).resolve().parents[2]
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


def versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def program() -> dict[str, str]:
    """The program's version, and digests of what gates and computes and of what the models are made of."""
    from orchestration.warehouse.dbt import project_digest

    return {
        "version": version("myositis-registry"),
        "code": _code_digest()[:16],
        "models": project_digest(),
    }
