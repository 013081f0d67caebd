"""The column lineage: from which columns of which tables each column is made, from a hospital's files to the
marts.

The lineage of the models follows from their SQL alone, and tracing it takes longer than a build. It is
therefore traced only when the models change (`make lineage`), and kept in dbt_project/column_lineage.json. A
test compares it with the SQL. `catalogue.<seed>` is a table of the clinical catalogue. Does not belong here:
tracing (`trace_lineage.py`), the raw tables (`raw/lineage.py`), a release (`results/lineage.py`), showing it
(`report/lineage.py`).
"""

from __future__ import annotations

import json

from orchestration.raw.lineage import FILES, Lineage, files_of, source_lineage
from orchestration.registry.folder import Registry
from orchestration.resources import DBT_PROJECT

FILE = DBT_PROJECT / "column_lineage.json"
BY_REGISTRY = ("raw.registry_visit_window", "raw.registry_setting")
BY_STUDIES = ("raw.registry_endpoint",)
BY_CORRECTIONS = ("raw.registry_correct", "raw.registry_asked", "raw.registry_load_to_restage")


def read_lineage() -> Lineage:
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def warehouse_lineage(registry: Registry) -> Lineage:
    """The lineage of every column from the hospitals' files to the marts."""
    return with_files(registry, source_lineage(registry) | read_lineage())


def with_files(registry: Registry, lineage: Lineage) -> Lineage:
    """The lineage, completed with each source that none of its tables has: files that people write, or a
    table that is made from nothing else.
    """
    found = {table: dict(columns) for table, columns in lineage.items()}
    for table, column in sorted(_sources(found)):
        if column not in found.setdefault(table, {}):
            found[table][column] = [[FILES, file] for file in _files_behind(registry, table)]
    return found


def _files_behind(registry: Registry, table: str) -> list[str]:
    """The files that people write, of which a table is made that no model makes."""
    if table.startswith("catalogue."):
        seed = table.removeprefix("catalogue.")
        return [f"concepts/{seed}.csv"] if seed in registry.additions else []
    if not table.startswith("raw.registry_"):
        return []
    folder = "hospitals/"
    if table in BY_REGISTRY:
        folder = "registry.yml"
    elif table in BY_STUDIES:
        folder = "studies/"
    elif table.startswith(BY_CORRECTIONS):
        folder = "corrections/"
    return [file for file in files_of(registry) if file.startswith(folder)]


def _sources(lineage: Lineage) -> set[tuple[str, str]]:
    return {(t, c) for columns in lineage.values() for sources in columns.values() for t, c in sources}
