"""The column lineage of the raw tables: which column of a hospital's file feeds which, as the mappings say.

A table is named as in SQL (`raw.observations`). Two names belong to no schema: `landing.<sender>` has the
columns of a hospital's files, as its mapping names them; the columns of `registry.files` are the files that
people write. Does not belong here: the models (`warehouse/lineage.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestration.database.raw_tables import CORRECTIONS, RAW_FIELDS, RULES
from orchestration.registry.entities import RAW_NAMES, WIDE_NAMES, ColumnSource, Entity
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Export

if TYPE_CHECKING:
    import dagster as dg

FILES = "registry.files"
CANDIDATE_TABLES = ("release.", "quality.rejected_summary", "quality.check_result")

Source = list[str]  # [table, column]
Lineage = dict[str, dict[str, list[Source]]]  # table -> column -> sources


def source_lineage(registry: Registry) -> Lineage:
    """The lineage of the raw tables, the columns of the hospitals' files, and the files that people write."""
    found: Lineage = {f"raw.{entity}": {name: [] for name in fields} for entity, fields in RAW_FIELDS.items()}
    found["raw.patient_link"] = {"identifier": [], "link_hash": []}
    for sender in registry.mappings:
        found[f"landing.{sender}"] = {}
        for fed in _fed(registry, sender):
            sources = found[f"raw.{fed.entity}"].setdefault(fed.column, [])
            sources += [s for s in fed.sources if s not in sources]
            found[f"landing.{sender}"] |= {c: [] for t, c in fed.sources if t == f"landing.{sender}"}
    found[FILES] = {file: [] for file in files_of(registry)}
    return found


@dataclass(frozen=True)
class Fed:
    """A column of a raw table, and what one export of a mapping feeds into it."""

    entity: str
    column: str
    sources: Sequence[Source]


def _fed(registry: Registry, sender: str) -> Iterator[Fed]:
    mapping = registry.mappings[sender]
    stated = [[FILES, f"hospitals/{sender}.yml"]]
    for export in mapping.exports:
        for name, entity in export.entities():
            for field, source in entity.fields():
                yield Fed(name, RAW_NAMES.get(field, field), _read(sender, export, source) or stated)
            yield from _fed_wide(sender, export, name, entity, stated)
        if export.patients:
            linked = [[f"landing.{sender}", _label(export, c)] for c in export.patients.link_by.values()]
            for column in ("identifier", "link_hash") if linked else ():
                yield Fed("patient_link", column, linked)


def _fed_wide(sender: str, export: Export, name: str, entity: Entity, stated: list[Source]) -> Iterator[Fed]:
    """What a row with one column per test, antibody or event feeds: its name is stated, its cell is read."""
    for source in (getattr(entity, "values", None) or {}).values():
        concept, value = WIDE_NAMES[name]
        yield Fed(name, concept, stated)
        yield Fed(name, value, _read(sender, export, source) or stated)
        if source.unit is not None:
            yield Fed(name, "unit_source", stated)


def _read(sender: str, export: Export, source: ColumnSource) -> list[Source]:
    columns = dict.fromkeys([*source.columns, *source.columns_asked])
    return [[f"landing.{sender}", _label(export, column)] for column in columns]


def _label(export: Export, column: str) -> str:
    """A column of a file as the mapping names both."""
    return f"{export.file}: {column}"


def files_of(registry: Registry) -> Iterator[str]:
    yield "registry.yml"
    yield from (f"hospitals/{sender}.yml" for sender in registry.mappings)
    yield from (f"corrections/{sender}.yml" for sender in registry.corrections)
    yield from (f"studies/{study}.yml" for study in registry.studies)
    yield from (f"published/{study}" for study in registry.studies)
    yield from (f"concepts/{seed}.csv" for seed in registry.additions)


def told_to_dagster(columns: Mapping[str, Iterable[Source]], senders: Iterable[str]) -> dg.TableColumnLineage:
    """The lineage of an asset's columns, as Dagster keeps it in a materialization."""
    import dagster as dg

    senders = list(senders)
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=key, column_name=name)
                for table, source in sources
                for key, name in asset_of(table, source, senders)
            ]
            for column, sources in columns.items()
        }
    )


def told_columns(columns: Iterable[str]) -> dg.TableSchema:
    """The columns of an asset, as Dagster shows them."""
    import dagster as dg

    return dg.TableSchema([dg.TableColumn(column) for column in columns])


def columns_of_files(registry: Registry) -> list[str]:
    """The columns of the asset `registry/files`: the files themselves, and the tables of rules that they are
    read into.
    """
    tables = re.findall(r"raw\.(registry_\w+) \(([^;]*)\);", RULES + CORRECTIONS)
    rules = [f"{table}.{column.split()[0]}" for table, columns in tables for column in columns.split(",")]
    return [*files_of(registry), *rules]


def raw_columns(registry: Registry, sender: str) -> Lineage:
    """What a sender's deliveries feed into each raw table: its own columns of `source_lineage`."""
    own = (f"landing.{sender}", FILES)
    return {
        table: {column: [s for s in sources if s[0] in own] for column, sources in columns.items()}
        for table, columns in source_lineage(
            replace(registry, mappings={sender: registry.mappings[sender]})
        ).items()
        if table.startswith("raw.")
    }


def asset_of(table: str, column: str, senders: Iterable[str]) -> list[tuple[list[str], str]]:
    """The assets of Dagster that hold a column, each with what the column is called there.

    A raw table is filled by every sender, and is part of each sender's raw asset.
    """
    if table == FILES or table.startswith("raw.registry_"):
        name = column if table == FILES else f"{table.removeprefix('raw.')}.{column}"
        return [(FILES.split("."), name)]
    if table.startswith("raw."):
        return [(["raw", sender], f"{table.removeprefix('raw.')}.{column}") for sender in senders]
    if table.startswith(CANDIDATE_TABLES):
        return [(["release", "candidate"], f"{table.split('.', 1)[1]}.{column}")]
    return [(table.split(".", 1), column)]
