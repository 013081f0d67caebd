"""One delivery from its folder into schema raw: renamed and routed by the mapping, never interpreted.

Belongs here: matching files to a mapping, accounting for every column and row, the inserts. A delivery is taken whole or
refused whole; a load is visible to dbt only once the ledger says `accepted`.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

import duckdb

from orchestration import linkage, pseudonym
from orchestration.database import RAW_FIELDS
from orchestration.exports import ExportFault, SourceTable, left_unread, open_tables
from orchestration.mapping import ColumnSource, Entity, Export, Mapping, Patients, WideEntity
from orchestration.registry import SUCCESS_MARKER, Registry
from orchestration.yaml_file import line_of, nearest

log = logging.getLogger("myositis")

RAW_NAMES = {
    "concept": "concept_source", "value": "value_text", "unit": "unit_source", "unit_2": "unit_source_2",
    "antibody": "antibody_source", "result": "result_text", "assay": "assay_source", "event": "event_source",
    "status": "status_text", "treatment": "treatment_source", "patient_id": "patient_key", "visit_id": "visit_key",
}
WIDE_NAMES = {
    "observations": ("concept_source", "value_text"),
    "antibodies": ("antibody_source", "result_text"),
    "events": ("event_source", "status_text"),
}
LOAD_TABLES = (
    *(f"raw.{e}" for e in RAW_FIELDS), "raw.delivery_file", "raw.source_table", "raw.rejected_line",
    "raw.patient_link",
)
MAX_COLUMNS_SHOWN = 40


class DeliveryRefused(Exception):
    """A delivery that the warehouse does not take; holds every reason, one sentence each."""

    def __init__(self, sender: str, delivery: str, reasons: list[str]) -> None:
        self.sender, self.delivery, self.reasons = sender, delivery, reasons
        super().__init__(f"{sender}/{delivery} refused:\n" + "\n".join(f"  {r}" for r in reasons))


@dataclass(frozen=True)
class DeliveredFile:
    name: str
    path: Path
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Inventory:
    """What lies in a delivery folder, and the identity that a load of it has."""

    sender: str
    delivery: str
    files: list[DeliveredFile]
    content_sha256: str
    mapping_digest: str

    @property
    def load_id(self) -> str:
        parts = "\n".join((self.sender, self.delivery, self.content_sha256, self.mapping_digest))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]


@dataclass
class LoadSummary:
    """Counts of one load; no values."""

    load_id: str
    files: int = 0
    rows_read: int = 0
    rows_malformed: int = 0
    records: dict[str, int] = field(default_factory=dict)


def take_inventory(registry: Registry, sender: str, delivery: str) -> Inventory:
    """Hash the files of a delivery; names are relative to its folder, in order."""
    folder = registry.landing / sender / delivery
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != SUCCESS_MARKER and not path.name.startswith("."):
            with path.open("rb") as handle:
                digest = hashlib.file_digest(handle, "sha256").hexdigest()
            files.append(DeliveredFile(path.relative_to(folder).as_posix(), path, digest, path.stat().st_size))
    content = hashlib.sha256("\n".join(f"{f.name}\t{f.sha256}" for f in files).encode()).hexdigest()
    return Inventory(sender, delivery, files, content, registry.mapping_digest(sender))


def load_delivery(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    inventory: Inventory,
) -> LoadSummary:
    """Insert the rows of a delivery under its load_id, not yet accepted; raise DeliveryRefused with all faults.

    Rows of an earlier, interrupted attempt at the same load are removed first. On refusal nothing of it stays.
    """
    mapping = registry.mappings[inventory.sender]
    pseudonym.set_key(connection, pseudonym.read_or_make_key(registry.pseudonym_key_file))
    remove_load(connection, inventory.load_id)
    workdir = Path(tempfile.mkdtemp(prefix="reading-", dir=registry.warehouse.parent))
    try:
        return _Loader(connection, registry, mapping, inventory, workdir).run()
    except BaseException:
        remove_load(connection, inventory.load_id)
        raise
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def find_faults(connection: duckdb.DuckDBPyConnection, registry: Registry, inventory: Inventory) -> list[str]:
    """What would refuse a delivery, without loading it."""
    workdir = Path(tempfile.mkdtemp(prefix="reading-", dir=registry.warehouse.parent))
    try:
        _, faults = _Loader(connection, registry, registry.mappings[inventory.sender], inventory, workdir).survey()
        return faults
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def remove_load(connection: duckdb.DuckDBPyConnection, load_id: str) -> None:
    for table in LOAD_TABLES:
        connection.execute(f"delete from {table} where load_id = ?", [load_id])


def record_state(
    connection: duckdb.DuckDBPyConnection, inventory: Inventory, kind: str, state: str, reason: str = ""
) -> None:
    """Write the outcome of a delivery into the ledger; accepting one puts its predecessor out of force, in one step."""
    connection.begin()
    if state == "accepted":
        connection.execute(
            "update raw.delivery set state = 'replaced' where sender_id = ? and delivery_id = ? and state = 'accepted'",
            [inventory.sender, inventory.delivery],
        )
    connection.execute(
        "insert or replace into raw.delivery values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [inventory.sender, inventory.delivery, inventory.load_id, state, kind, inventory.content_sha256,
         inventory.mapping_digest, _now(), reason],
    )
    connection.commit()


def is_settled(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> bool:
    """Whether this very content, read by this very mapping, was already accepted or refused."""
    row = connection.execute(
        "select state from raw.delivery where sender_id = ? and delivery_id = ? and load_id = ?",
        [inventory.sender, inventory.delivery, inventory.load_id],
    ).fetchone()
    return row is not None and row[0] in ("accepted", "refused")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass
class _Loader:
    connection: duckdb.DuckDBPyConnection
    registry: Registry
    mapping: Mapping
    inventory: Inventory
    workdir: Path

    def survey(self) -> tuple[list[tuple[Export, SourceTable]], list[str]]:
        """Open every file that the mapping names; returns the tables and every fault found."""
        faults: list[str] = []
        opened = list(self._open(faults))
        faults += self._unmapped_files()
        faults += self._unread_parts(opened)
        faults += self._column_faults(opened)
        if not faults and not sum(table.rows_in for _, table in opened):
            faults.append(f"{self._place()}: the delivery is empty: no file holds a row; ask the hospital for it again")
        return opened, faults

    def run(self) -> LoadSummary:
        opened, faults = self.survey()
        if faults:
            raise DeliveryRefused(self.inventory.sender, self.inventory.delivery, faults)
        summary = LoadSummary(self.inventory.load_id, files=len(self.inventory.files))
        for export, table in opened:
            self._insert(export, table, summary)
        self._record_files(opened)
        return summary

    # what is there, against what the mapping expects

    def _open(self, faults: list[str]) -> Iterator[tuple[Export, SourceTable]]:
        for export in self.mapping.exports:
            files = [f for f in self.inventory.files if fnmatch(f.name, export.file)]
            if not files and not export.optional:
                there = ", ".join(f.name for f in self.inventory.files) or "none"
                faults.append(
                    f'{self._mapping_place(export, "file")}: no file "{export.file}" in {self._place()}.'
                    f" Its files: {there}.{nearest(export.file, [f.name for f in self.inventory.files])}"
                )
            for file in files:
                log.debug("reading %s%s", self._place(file.name), f" [{export.sheet}]" if export.sheet else "")
                try:
                    for table in open_tables(file.path, export, self.workdir, self.connection):
                        yield export, table
                except ExportFault as fault:
                    faults.append(f"{self._place()}/{fault}")

    def _unmapped_files(self) -> list[str]:
        patterns = [x.file for x in self.mapping.exports]
        return [
            f"{self._place(file.name)}: no export of hospitals/{self.mapping.sender}.yml reads this file;"
            f" map it, or list it with ignored: ['*']. Known files: {', '.join(dict.fromkeys(patterns))}"
            for file in self.inventory.files
            if not any(fnmatch(file.name, p) for p in patterns)
        ]

    def _unread_parts(self, opened: list[tuple[Export, SourceTable]]) -> list[str]:
        """Sheets and archive members that no export reads; an export with ignored: ['*'] may name them."""
        faults = []
        tables = [table for _, table in opened]
        for file in self.inventory.files:
            if any(t.file == file.name or t.file.startswith(f"{file.name}/") for t in tables):
                faults += [
                    f'{self._place(file.name)}: no export of hospitals/{self.mapping.sender}.yml reads "{part}"; map it, or'
                    " list it with ignored: ['*']"
                    for part in left_unread(file.path, tables, file.name)
                ]
        return faults

    def _column_faults(self, opened: list[tuple[Export, SourceTable]]) -> list[str]:
        faults: list[str] = []
        accounted: dict[tuple[str, str | None], set[str]] = {}
        tables: dict[tuple[str, str | None], SourceTable] = {}
        for export, table in opened:
            key = (table.file, table.sheet)
            tables[key] = table
            known = accounted.setdefault(key, set())
            known |= {*export.identifiers, *export.ignored}
            for place, column in _named_columns(export):
                known.add(column)
                if column not in table.columns:
                    faults.append(
                        f'{self._mapping_place(export, *place)}: no column "{column}" in {self._place(_label(table))}.'
                        f" Its columns: {_shown(table.columns)}.{nearest(column, table.columns)}"
                    )
        for key, table in tables.items():
            loose = [c for c in table.columns if c not in accounted[key]]
            if loose and "*" not in accounted[key]:
                faults.append(
                    f"{self._place(_label(table))}: hospitals/{self.mapping.sender}.yml neither maps nor ignores"
                    f" {'column' if len(loose) == 1 else 'columns'} {_shown(loose)}; map each, or list it under"
                    " ignored or identifiers"
                )
        return faults

    # into raw

    def _insert(self, export: Export, table: SourceTable, summary: LoadSummary) -> None:
        cells = {c: f"c{i}" for i, c in enumerate(table.columns)}
        wanted = list(dict.fromkeys(c for _, e in export.entities() for c in e.columns()))
        selected = ", ".join(["source_row", *(cells[c] for c in wanted)])
        self.connection.execute(f"create or replace temp table incoming as select {selected} from ({table.relation})")
        blank = " and ".join(f"{cells[c]} is null" for c in wanted) or "false"
        rows, blanks = self.connection.execute(
            f"select count(*), count(*) filter (where {blank}) from incoming"
        ).fetchone()
        summary.rows_read += rows
        summary.rows_malformed += len(table.malformed)
        for name, entity in export.entities():
            records, empty = self._insert_entity(export, table, name, entity, cells, blank)
            summary.records[name] = summary.records.get(name, 0) + records
            self._ledger("source_table", (
                table.file, table.sheet, name, rows + len(table.malformed), len(table.malformed), blanks, empty, records,
            ))
        for line in table.malformed:
            text = None if export.identifiers else line.text  # a whole line would hold the identifiers too
            self._ledger("rejected_line", (
                table.file, table.sheet, line.source_row, line.rule, line.reason, None, text,
            ))
        self.connection.execute("drop table incoming")

    def _insert_entity(
        self, export: Export, table: SourceTable, name: str, entity: Entity, cells: dict[str, str], blank: str
    ) -> tuple[int, int]:
        """Insert one entity's records; returns (records, empty cells of a wide table)."""
        columns = {RAW_NAMES.get(n, n): _expression(s, cells) for n, s in entity.fields()}
        joins = [self._key_join(columns, part, entity) for part in ("patient_key", "visit_key")]
        columns |= self._provenance(export, table, entity, columns)
        empty = 0
        wide = entity.values if isinstance(entity, WideEntity) else None
        source = "incoming"
        if wide:
            concept, value = WIDE_NAMES[name]
            source, empty = self._unpivot(wide, cells)
            columns |= {concept: "cell.concept", value: "cell.value", "source_column": "cell.source_column"}
            if name == "observations":
                columns["unit_source"] = "coalesce(cell.unit, " + columns.get("unit_source", "null") + ")"
        elif name in WIDE_NAMES:
            theirs = getattr(entity, {"observations": "value", "antibodies": "result", "events": "event"}[name])
            columns["source_column"] = _literal(" | ".join(theirs.columns) or None)
        expressions = ", ".join(f"{e} as {n}" for n, e in columns.items())
        inserted = self.connection.execute(
            f"insert into raw.{name} by name select {expressions}, source_row, ?::timestamp as loaded_at"
            f" from {source} {' '.join(j for j in joins if j)} where not ({blank})",
            [_now()],
        ).fetchone()[0]
        if isinstance(entity, Patients):
            for identifier, column in entity.link_by.items():
                self._insert_links(identifier, cells[column], columns, joins)
        return inserted, empty

    def _insert_links(self, identifier: str, cell: str, columns: dict[str, str], joins: list[str]) -> None:
        """Each patient's hash of one identifier, by which another hospital may know them."""
        fields = ("sender_id", "hospital_id", "delivery_id", "load_id", "patient_key")
        owner = ", ".join(f"{columns[name]} as {name}" for name in fields)
        self.connection.execute(
            f"insert into raw.patient_link by name select distinct {owner},"
            f" {_literal(identifier)} as identifier, {linkage.link_hash_sql(identifier, cell)} as link_hash"
            f" from incoming {' '.join(j for j in joins if j)}"
            f" where patient_key is not null and trim({cell}) <> ''"
        )

    def _key_join(self, columns: dict[str, str], key: str, entity: Entity) -> str:
        """Hash each distinct id once, and join the hashes; the id itself goes no further."""
        if key not in columns:
            return ""
        expression = f"nullif(trim({columns[key]}), '')"
        kind = "visit" if key == "visit_key" else "patient"
        text = f"{_literal(self.mapping.sender)} || chr(31) || '{kind}' || chr(31) || id"
        self.connection.execute(
            f"create or replace temp table {key}s as select id, {pseudonym.hash_sql(text)} as key"
            f" from (select distinct {expression} as id from incoming) where id is not null"
        )
        columns[key] = f"{key}s.key"
        return f"left join {key}s on {key}s.id = {expression}"

    def _provenance(
        self, export: Export, table: SourceTable, entity: Entity, columns: dict[str, str]
    ) -> dict[str, str]:
        hospital = _literal(self.mapping.sender)
        if self.mapping.is_network:
            theirs = columns.get("hospital_id")
            hospital = f"{_literal(self.mapping.sender + '_')} || trim({theirs})" if theirs else "null"
        return {
            "sender_id": _literal(self.mapping.sender),
            "hospital_id": hospital,
            "delivery_id": _literal(self.inventory.delivery),
            "load_id": _literal(self.inventory.load_id),
            "export_id": _literal(self.mapping.export_id(export)),
            "source_file": _literal(table.file),
            "source_sheet": _literal(table.sheet),
        }

    def _unpivot(self, wide: dict[str, ColumnSource], cells: dict[str, str]) -> tuple[str, int]:
        """One record per filled cell, in the mapping's order of columns; empty cells are counted."""
        structs = ", ".join(
            "{" + f"'concept': {_literal(concept)}, 'value': {_expression(source, cells)}, "
            f"'unit': {_literal(source.unit)}::varchar, 'source_column': {_literal(' | '.join(source.columns))}" + "}"
            for concept, source in wide.items()
        )
        relation = f"(select * from (select *, unnest([{structs}]) as cell from incoming) where cell.value is not null)"
        filled = self.connection.execute(f"select count(*) from {relation}").fetchone()[0]
        total = self.connection.execute("select count(*) from incoming").fetchone()[0] * len(wide)
        return relation, total - filled

    def _record_files(self, opened: list[tuple[Export, SourceTable]]) -> None:
        read = {t.file: t for _, t in opened}
        for file in self.inventory.files:
            table = read.get(file.name)
            self._ledger("delivery_file", (
                file.name, file.sha256, file.bytes, table.format if table else "ignored", table.encoding if table else None,
            ))

    def _ledger(self, table: str, values: tuple) -> None:
        row = (self.inventory.sender, self.inventory.delivery, self.inventory.load_id, *values)
        self.connection.execute(f"insert into raw.{table} values ({', '.join('?' for _ in row)})", list(row))

    # places

    def _place(self, file: str = "") -> str:
        return f"{self.inventory.sender}/{self.inventory.delivery}" + (f"/{file}" if file else "")

    def _mapping_place(self, export: Export, *key: str | int) -> str:
        number = self.mapping.exports.index(export)
        path = self.registry.folder / "hospitals" / f"{self.mapping.sender}.yml"
        dotted = ".".join([f"exports[{number}]", *(str(k) for k in key)])
        return f"hospitals/{path.name}:{line_of(path, ('exports', number, *key))}: {dotted}"


def _named_columns(export: Export) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each column that an export maps, with the key under which it stands."""
    for name, entity in export.entities():
        for ours, source in entity.fields():
            for column in source.columns:
                yield (name, ours), column
        for ours, column in (entity.link_by if isinstance(entity, Patients) else {}).items():
            yield (name, "link_by", ours), column
        for ours, source in (getattr(entity, "values", None) or {}).items():
            for column in source.columns:
                yield (name, "values", ours), column


def _expression(source: ColumnSource, cells: dict[str, str]) -> str:
    if source.constant is not None:
        return _literal(source.constant)
    filled = [cells[c] for c in source.columns]
    return filled[0] if len(filled) == 1 else f"coalesce({', '.join(filled)})"


def _literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def _label(table: SourceTable) -> str:
    return table.file + (f" [{table.sheet}]" if table.sheet else "")


def _shown(columns: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(f'"{c}"' for c in columns[:MAX_COLUMNS_SHOWN])
    return shown + (f" and {len(columns) - MAX_COLUMNS_SHOWN} more" if len(columns) > MAX_COLUMNS_SHOWN else "")
