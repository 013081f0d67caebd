"""One table of a delivery under the names of its mapping, and the columns that exports take from it.

Does not belong here: which tables a delivery has, and every fault (`tables.py`), rows (`loading.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from orchestration.exports import SourceTable
from orchestration.exports.columns import without_place
from orchestration.raw.cell_sql import elements, literal
from orchestration.raw.forms import columns_of
from orchestration.registry.entities import Patients, is_named
from orchestration.registry.mapping import Export, Form


@dataclass
class DeliveredTable:
    """One table of a delivery, with the exports that read it. Each export takes the rows that fit its
    ``where``.
    """

    table: SourceTable
    exports: list[Export]
    forms: list[Form] = field(default_factory=list)

    @property
    def read(self) -> list[str]:
        """The wanted columns, and those that tell whether somebody filled a form in."""
        return list(dict.fromkeys([*self.wanted, *columns_of(self.forms, self.table.columns)]))

    @property
    def wanted(self) -> list[str]:
        """The columns of the table that an export maps, or that a condition asks about."""
        named = [c for x in self.exports for _, e in x.entities() for c in e.columns()]
        asked = [c for x in self.exports for c in x.columns_asked()]
        coded = [c.code_column for x in self.exports for c in x.code_lists if c.code_column]
        found = (c for name in (*named, *asked, *coded) for c in elements(name, self.table.columns))
        return [c for c in dict.fromkeys(found) if c in self.table.columns]


def spelled_as_mapped(table: SourceTable, spelled: Iterable[str]) -> SourceTable:
    """The table with its columns spelled as in the mapping where they differ only in case."""
    spelled = list(spelled)
    by_case = {name.lower(): name for name in reversed(spelled) if "*" not in name}
    taken = {column for column in table.columns if column in spelled}
    columns = []
    for column in table.columns:
        own = by_case.get(column.lower())
        if column in spelled or (own is None and is_named(column, spelled, table.columns)):
            columns.append(column)
        elif own is not None and own not in taken:
            taken.add(own)
            columns.append(own)
        else:
            other = (
                form
                for form in (column.lower(), column.upper())
                if own is None and is_named(form, spelled, table.columns)
            )
            columns.append(next(other, column))
    return replace(table, columns=tuple(columns))


def named_columns(export: Export) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each column that an export maps or asks about, with the key of the export that names it."""
    for name, entity in export.entities():
        for key, source in entity.sources():
            for column in (*source.columns, *source.columns_asked):
                yield (name, *key), column
        for ours, column in (entity.link_by if isinstance(entity, Patients) else {}).items():
            yield (name, "link_by", ours), column
    for i, alternative in enumerate(export.where):
        for column in alternative:
            yield ("where", i, column), column
    for i, form in enumerate(export.stated_forms()):
        for column in (*(c for c in form.columns if "*" not in c), *form.columns_asked()):
            yield ("forms", i, column), column


def id_columns(export: Export) -> Iterator[str]:
    for _, entity in export.entities():
        for source in (entity.patient_id, entity.visit_id):
            yield from source.columns if source else ()
        if isinstance(entity, Patients):
            yield from entity.link_by.values()


def as_headed(column: str) -> str:
    """SQL texts of a column's name, with and without its place among columns alike."""
    return ", ".join(literal(name) for name in dict.fromkeys((column, without_place(column))))


def label_of(table: SourceTable) -> str:
    return label_from(table.file, table.sheet)


def label_from(file: str, sheet: str | None) -> str:
    return file + (f" [{sheet}]" if sheet else "")
