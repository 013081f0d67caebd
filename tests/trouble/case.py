"""One case from the field, as a hospital of a registry that holds all cases and is run once.

A case is a registry of one hospital, `h`. Its mapping and its delivery become those of a hospital of its own.
That changes no case: no hospital touches another's rows, and all else in the folders is alike, which
`make_together` asserts. A query on a case sees the rows of its hospital alone. Belongs here: what all cases
share. Does not belong here: any expectation.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml

from orchestration.registry.folder import Registry
from tests.registries import opened, run

CASES = Path(__file__).parent
# cases that are tried with a mapping that says more: its first text is replaced by its second
STATED = {
    "07-line-blot-classes-read-as-intensity class": ("antibodies: {", "antibodies: {scale: class, "),
    "07-line-blot-classes-read-as-intensity intensity": ("antibodies: {", "antibodies: {scale: intensity, "),
}


@dataclass(frozen=True)
class Case:
    """A hospital of the registry of all cases."""

    registry: Registry
    sender: str


def make_together(folder: Path) -> None:
    """The registry of all cases in this new folder, after its run."""
    names = [*sorted(path.parent.name for path in CASES.glob("*/registry.yml")), *STATED]
    folder.mkdir()
    (folder / "registry.yml").write_text(_registry_alike_in(CASES / name.split()[0] for name in names))
    for name in names:
        case = CASES / name.split()[0]
        assert {p.name for p in case.iterdir()} <= {"registry.yml", "hospitals", "landing", "expected.md"}
        add_hospital(folder, sender_of(name), case)
        text, stated = STATED.get(name, ("", ""))
        mapping = folder / "hospitals" / f"{sender_of(name)}.yml"
        assert text in mapping.read_text(), name
        mapping.write_text(mapping.read_text().replace(text, stated, 1))
    run(opened(folder))


def add_hospital(together: Path, sender: str, case: Path) -> None:
    """The hospital `h` of a case, as this sender of another registry."""
    (together / "hospitals").mkdir(parents=True, exist_ok=True)
    mapping = (case / "hospitals" / "h.yml").read_text()
    assert mapping.startswith("sender: h\n"), case
    (together / "hospitals" / f"{sender}.yml").write_text(
        mapping.replace("sender: h", f"sender: {sender}", 1)
    )
    shutil.copytree(case / "landing" / "h", together / "landing" / sender)


def _registry_alike_in(folders: Iterable[Path]) -> str:
    """The text of the cases' registry.yml, which differ in their names alone."""
    read = [yaml.safe_load((folder / "registry.yml").read_text()) for folder in folders]
    (alike,) = {yaml.safe_dump(settings | {"name": "all cases"}) for settings in read}
    return alike


def sender_of(name: str) -> str:
    return "case_" + "_".join(name.replace("-", " ").split())


def query(case: Case, sql: str) -> list[tuple]:
    """The rows that a query on the warehouse gives when it sees this hospital alone."""
    return _seen(case, case.registry.warehouse, "warehouse", sql)


def release_query(case: Case, sql: str) -> list[tuple]:
    """The same on the current release."""
    return _seen(case, (case.registry.releases / "current.duckdb").resolve(), "whole", sql)


def _seen(case: Case, file: Path, catalog: str, sql: str) -> list[tuple]:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{file}' as {catalog} (read_only)")
        tables = connection.execute(
            "select schema_name, table_name, list(column_name) from duckdb_columns()"
            " where database_name = ? and not internal group by all",
            [catalog],
        ).fetchall()
        for schema, table, columns in tables:
            whose = next((c for c in ("sender_id", "hospital_id") if c in columns), None)
            rows = f" where {whose} = '{case.sender}'" if whose else ""
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(
                f'create view {schema}."{table}" as select * from {catalog}.{schema}."{table}"{rows}'
            )
        return connection.execute(sql).fetchall()
