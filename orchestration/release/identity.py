"""The identity of a release, which release is current, and the versions that made it.

Does not belong here: making a release (`candidate.py`) or publishing it (`publication.py`).
"""

import hashlib
import json
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from orchestration.registry.folder import Registry
from orchestration.warehouse import dbt

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
CODE = ("analytics/**/*.py", "expectations/**/*.py", "expectations/**/*.yml")
CURRENT = "current.duckdb"


def release_id(registry: Registry, connection: duckdb.DuckDBPyConnection) -> str:
    """A hash of what a release is made from: the loads in force, rules, corrections, waivers, studies and
    code. Equal inputs give the equal id.
    """
    loads = connection.execute("select load_id from raw.current_load order by 1").fetchall()
    parts = [
        *(load for (load,) in loads),
        registry.rules_digest(),
        registry.studies_digest(),
        registry.file.model_dump_json(exclude={"unattended"}),  # when things run changes no number
        registry.records_digest(date.today()),
        dbt.project_digest(),
        _code_digest(),
    ]
    return "r" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


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
