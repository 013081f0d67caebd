"""One delivery from its folder into schema raw: renamed and routed by the mapping, never interpreted.

Belongs here: matching files to a mapping, accounting for every column and row, the inserts. A delivery is taken whole or
refused whole; a load is visible to dbt only once the ledger says `accepted`.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import duckdb

from orchestration import linkage, pseudonym
from orchestration.cell_sql import cell_text, code_list_sql, is_taken, literal, origin, without_blanks
from orchestration.delivery_ledger import remove_load, utc_now
from orchestration.entities import RAW_NAMES, WIDE_NAMES, ColumnSource, Entity, Patients, WideEntity, is_named
from orchestration.exports import BLANKS, ExportFault, ReadSpec, SourceTable, UnreadPart, left_unread, open_tables
from orchestration.inventory import DeliveredFile, Inventory
from orchestration.mapping import CodeList, Export, Mapping
from orchestration.registry import Registry
from orchestration.yaml_file import nearest

log = logging.getLogger("myositis")

MAX_COLUMNS_SHOWN = 40
# What stands where a patient's id belongs and is none; as an id it would make one patient of many.
NO_ID = (
    "na", "n/a", "nan", "null", "none", "nil", "unknown", "missing", "-", "--", "---", "/", ".", "?", "#n/a", "#ref!", "#value!",
    "#name?", "#div/0!", "#null!", "#num!", "未知", "不详", "无", "缺失",
)
# What reports print below a table.
FOOTER = (
    "(grand |sub)?totals?\\b.*|end of (the )?(report|file|list|data|export)\\b.*|end|eof|[-=*_]{3,}.*"
    "|(sum|count|mean|average|rows?|records?|number of (rows|records|patients))\\s*[:=].*|(合计|总计|小计|共计)([:：].*)?"
)
FOOTER_BEGINS = "gstecmarn-=*_合总小共"
MAX_COLUMNS_OF_A_ROW = 3


class DeliveryRefused(Exception):
    """A delivery that the warehouse does not take; holds every reason, one sentence each."""

    def __init__(self, sender: str, delivery: str, reasons: list[str]) -> None:
        self.sender, self.delivery, self.reasons = sender, delivery, reasons
        super().__init__(f"{sender}/{delivery} refused:\n" + "\n".join(f"  {r}" for r in reasons))


@dataclass
class DeliveredTable:
    """One table of a delivery and the exports that read it, each the rows that its ``where`` takes."""

    table: SourceTable
    exports: list[Export]

    @property
    def wanted(self) -> list[str]:
        """The columns that an export maps or asks, where the table has them."""
        named = [c for x in self.exports for _, e in x.entities() for c in e.columns()]
        asked = [c for x in self.exports for c in x.columns_asked()]
        return [c for c in dict.fromkeys([*named, *asked]) if c in self.table.columns]


@dataclass
class LoadSummary:
    """Counts of one load; no values."""

    load_id: str
    files: int = 0
    rows_read: int = 0
    rows_malformed: int = 0
    records: dict[str, int] = field(default_factory=dict)


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
        loader = _Loader(connection, registry, registry.mappings[inventory.sender], inventory, workdir)
        opened, faults = loader.survey()
        return faults or loader.second_tables(opened)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


@dataclass
class _Loader:
    connection: duckdb.DuckDBPyConnection
    registry: Registry
    mapping: Mapping
    inventory: Inventory
    workdir: Path

    def survey(self) -> tuple[list[DeliveredTable], list[str]]:
        """Open every file that the mapping names; returns the tables and every fault found."""
        faults: list[str] = []
        opened = self._open(faults)
        faults += self._read_code_lists()
        faults += self._unmapped_files()
        faults += self._unread_parts(opened)
        faults += self._column_faults(opened)
        faults += self._rounded_ids(opened)
        faults += self.registry.undecided([self.mapping.sender])
        if not faults and not sum(part.table.rows_in for part in opened):
            faults.append(f"{self._place()}: the delivery is empty: no file holds a row; ask the hospital for it again")
        return opened, faults

    def run(self) -> LoadSummary:
        opened, faults = self.survey()
        if faults:
            raise DeliveryRefused(self.inventory.sender, self.inventory.delivery, faults)
        summary = LoadSummary(self.inventory.load_id, files=len(self.inventory.files))
        for part in opened:
            self._insert(part, summary, faults)
        if faults:
            raise DeliveryRefused(self.inventory.sender, self.inventory.delivery, faults)
        self._record_files(opened)
        return summary

    # what is there, against what the mapping expects

    def _open(self, faults: list[str]) -> list[DeliveredTable]:
        """Every table that an export reads; exports that read one sheet in one way share it."""
        found: dict[tuple[str, str, str | None], DeliveredTable] = {}
        read: dict[tuple[str, str], list[SourceTable]] = {}
        for export in self.mapping.exports:
            files = [f for f in self.inventory.files if fnmatch(f.name, export.file)]
            if not files and not export.optional:
                there = ", ".join(f.name for f in self.inventory.files) or "none"
                faults.append(
                    f'{self._mapping_place(export, "file")}: no file "{export.file}" in {self._place()}.'
                    f" Its files: {there}.{nearest(export.file, [f.name for f in self.inventory.files])}"
                )
            spec = ReadSpec(**{key: getattr(export, key) for key in ReadSpec.model_fields})
            way = spec.model_copy(update={"sheet": None}).model_dump_json()
            for file in files:
                if self._is_unwanted(file, export):
                    continue
                for table in self._tables(file, spec, read, None if export.is_ignored and not export.where else faults):
                    part = found.setdefault((way, table.file, table.sheet), DeliveredTable(table, []))
                    part.exports.append(export)
        return list(found.values())

    def _tables(
        self, file: DeliveredFile, spec: ReadSpec, read: dict[tuple[str, str], list[SourceTable]], faults: list[str] | None
    ) -> list[SourceTable]:
        """Each read once; without ``faults``, what cannot be read is not wanted anyway."""
        key = (file.name, spec.model_dump_json())
        if key not in read:
            log.debug("reading %s%s", self._place(file.name), f" [{spec.sheet}]" if spec.sheet else "")
            try:
                read[key] = open_tables(file.path, spec, self.workdir, self.connection, file.name)
            except ExportFault as fault:
                if faults is None:
                    return []
                read[key] = []
                faults.append(f"{self._place()}/{fault}")
        return read[key]

    def _is_unwanted(self, file: DeliveredFile, export: Export) -> bool:
        """A file that is listed with ignored: ['*'] alone is not even opened: it may be no table."""
        return export.is_ignored and export.sheet is None and export.member is None and not any(
            fnmatch(file.name, x.file) for x in self.mapping.exports if not x.is_ignored or x.sheet or x.member
        )

    def _read_code_lists(self) -> list[str]:
        """Lay every code list that came into the temporary table code_list; returns the faults."""
        faults: list[str] = []
        self.connection.execute("create or replace temp table code_list (field varchar, code varchar, label varchar)")
        for export, place, code_list in self._code_lists():
            for file in (f for f in self.inventory.files if fnmatch(f.name, code_list.file)):
                try:
                    tables = open_tables(file.path, ReadSpec(), self.workdir, self.connection, file.name)
                except ExportFault as fault:
                    faults.append(f"{self._place()}/{fault}")
                    continue
                for table in tables:
                    wanted = (code_list.code, code_list.label, code_list.field, code_list.choices)
                    absent = [c for c in wanted if c is not None and c not in table.columns]
                    faults += [
                        f'{self._mapping_place(export, *place)}: no column "{c}" in {self._place(_label(table))}.'
                        f" Its columns: {_shown(table.columns)}.{nearest(c, table.columns)}"
                        for c in absent
                    ]
                    if not absent:
                        self.connection.execute(f"insert into code_list {code_list_sql(code_list, table)}")
        self.connection.execute("create or replace temp table code_list as select distinct * from code_list")
        twice = self.connection.execute(
            "select field, count(*) from (select field, code from code_list group by all having count(*) > 1) group by 1 order by 1"
        ).fetchall()
        return faults + [
            f'{self._place()}: the code lists give two meanings to {n} codes of "{field}"; ask the hospital which holds'
            for field, n in twice
        ]

    def _code_lists(self) -> Iterator[tuple[Export, tuple[str | int, ...], CodeList]]:
        seen = []
        for export in self.mapping.exports:
            for i, code_list in enumerate(export.code_lists):
                if code_list not in seen:
                    seen.append(code_list)
                    yield export, ("code_lists", i), code_list

    def _unmapped_files(self) -> list[str]:
        patterns = [x.file for x in self.mapping.exports] + [c.file for _, _, c in self._code_lists()]
        return [
            f"{self._place(file.name)}: no export of hospitals/{self.mapping.sender}.yml reads this file;"
            f" map it, or list it with ignored: ['*']. Known files: {', '.join(dict.fromkeys(patterns))}"
            for file in self.inventory.files
            if not any(fnmatch(file.name, p) for p in patterns)
        ]

    def _unread_parts(self, opened: list[DeliveredTable]) -> list[str]:
        """Sheets and archive members that no export reads; an export with ignored: ['*'] may name them."""
        faults = []
        tables = [part.table for part in opened]
        for file in self.inventory.files:
            if any(t.file == file.name or t.file.startswith(f"{file.name}/") for t in tables):
                faults += [
                    f'{self._place(file.name)}: no export of hospitals/{self.mapping.sender}.yml reads {part}; map it, or'
                    " list it with ignored: ['*']"
                    for part in left_unread(file.path, tables, self.workdir, file.name)
                    if not any(_ignores(export, file.name, part) for export in self.mapping.exports)
                ]
        return faults

    def _column_faults(self, opened: list[DeliveredTable]) -> list[str]:
        faults: list[str] = []
        loose: dict[tuple[str, str | None], list[str]] = {}
        for part in opened:
            table = part.table
            names: list[str] = []
            feeding = [x for x in part.exports if not x.is_ignored]
            for export in part.exports:
                if not (feeding and export.is_ignored and export.where):  # it is rows that are not wanted, not columns
                    names += [*export.identifiers, *export.ignored, *export.undecided]
                for place, column in _named_columns(export):
                    if column in table.columns:
                        names.append(column)
                    elif not is_named(column, export.optional_columns, table.columns):
                        faults.append(
                            f'{self._mapping_place(export, *place)}: no column "{column}" in {self._place(_label(table))}.'
                            f" Its columns: {_shown(table.columns)}.{nearest(column, table.columns)}"
                        )
            unread = [c for c in table.columns if not is_named(c, names, table.columns)]
            key = (table.file, table.sheet)
            loose[key] = [c for c in loose[key] if c in unread] if key in loose else unread
        for (file, sheet), columns in loose.items():
            if columns:
                faults.append(
                    f"{self._place(_named(file, sheet))}: hospitals/{self.mapping.sender}.yml neither maps nor ignores"
                    f" {'column' if len(columns) == 1 else 'columns'} {_shown(columns)}; map each, or list it under"
                    " ignored or identifiers"
                )
        return faults

    def _rounded_ids(self, opened: list[DeliveredTable]) -> list[str]:
        """Ids that a spreadsheet has rounded: two patients may look like one."""
        return [
            f'{self._place(_label(part.table))}: column "{finding.column}": {finding.count:,} ids have lost digits, the first in row'
            f" {finding.first_row}: a spreadsheet keeps 15; expected ids as they are, for two patients may look like one; ask for"
            " the column as text"
            for part in opened for finding in part.table.findings
            if finding.rule == "digits_lost" and finding.column in {c for x in part.exports for c in _id_columns(x)}
        ]

    # into raw

    def _insert(self, part: DeliveredTable, summary: LoadSummary, faults: list[str]) -> None:
        table = part.table
        if all(export.is_ignored for export in part.exports):
            summary.rows_read += table.rows_in
            return
        cells = {c: f"c{i}" for i, c in enumerate(table.columns)}
        absent = {c: "null::varchar" for x in part.exports for _, c in _named_columns(x) if c not in cells}
        cells |= absent
        table.load(self.connection, "incoming", part.wanted)
        self._decode(part, cells)
        blank = " and ".join(f"{cells[c]} is null" for c in part.wanted) or "false"
        stray = self._stray(part, cells)
        rows, blanks, strays = self.connection.execute(
            f"select count(*), count(*) filter (where {blank}), count(*) filter (where {stray} is not null) from incoming"
        ).fetchone()
        none = blank
        if strays:
            none = f"({blank} or {stray} is not null)"
            faults += self._second_table(part, cells, stray)
            self._reject_strays(part, stray)
        unexpected = self._reject_lines(part, cells, none) + strays
        summary.rows_read += rows
        summary.rows_malformed += len(table.malformed) + unexpected
        counts: dict[str, list[int]] = {}
        for export in part.exports:
            taken = f"not ({none}) and {is_taken(export, cells)}"
            for name, entity in export.entities():
                records, empty = self._insert_entity(export, table, name, entity, cells, taken)
                count = counts.setdefault(name, [0, 0])
                count[0] += empty
                count[1] += records
        for name, (empty, records) in counts.items():
            summary.records[name] = summary.records.get(name, 0) + records
            self._ledger("source_table", (
                table.file, table.sheet, name, rows + len(table.malformed), len(table.malformed) + unexpected, blanks,
                empty, records,
            ))
        table.unload(self.connection, "incoming")
        self.connection.execute("drop table if exists incoming_decoded")

    def _stray(self, part: DeliveredTable, cells: dict[str, str]) -> str:
        """SQL: why a row is none (the header again, what is printed below a table), by what stands in the place of an id; else null."""
        sources = [s for x in part.exports for _, e in x.entities() for s in (e.patient_id, e.visit_id) if s]
        ids = [c for c in dict.fromkeys(c for s in sources for c in s.columns) if c in part.table.columns]
        tests = [
            # most ids begin like no footer and not like their header; what follows is dear
            f"when not contains({literal(BLANKS + FOOTER_BEGINS + c[:1].lower())}, lower(left({cells[c]}, 1))) then null"
            f" when {without_blanks(cells[c])} = {literal(c)} then 'repeated_header'"
            f" when left({cells[c]}, 1) between '0' and '9' then null"
            f" when regexp_full_match(lower({without_blanks(cells[c])}), {literal(FOOTER)}) then 'footer'"
            for c in ids
        ]
        return f"(case {' '.join(tests)} end)" if tests else "(null)"

    def second_tables(self, opened: list[DeliveredTable]) -> list[str]:
        """Sheets that hold another table below the first."""
        faults: list[str] = []
        for part in opened:
            if all(export.is_ignored for export in part.exports):
                continue
            cells = {c: f"c{i}" for i, c in enumerate(part.table.columns)}
            part.table.load(self.connection, "incoming", part.wanted)
            faults += self._second_table(part, cells, self._stray(part, cells))
            part.table.unload(self.connection, "incoming")
        return faults

    def _second_table(self, part: DeliveredTable, cells: dict[str, str], stray: str) -> list[str]:
        """A header again above other names begins another table, and refuses the delivery."""
        other = " or ".join(f"{without_blanks(cells[c])} <> {literal(c)}" for c in part.wanted if c in part.table.columns)
        row = self.connection.execute(
            f"select min(source_row) from incoming where {stray} = 'repeated_header' and ({other or 'false'})"
        ).fetchone()[0]
        return [] if row is None else [
            f"{self._place(_label(part.table))}: row {row} repeats a column's name above other names: two tables on one sheet;"
            " expected one; ask for each as a sheet or a file of its own"
        ]

    def _reject_strays(self, part: DeliveredTable, stray: str) -> None:
        """Keep the place of each."""
        table = part.table
        self.connection.execute(
            "insert into raw.rejected_line by name select ? as sender_id, ? as delivery_id, ? as load_id, ? as source_file,"
            f" ? as source_sheet, source_row, {stray} as rule, 'no record' as reason from incoming where {stray} is not null",
            [self.inventory.sender, self.inventory.delivery, self.inventory.load_id, table.file, table.sheet],
        )

    def _decode(self, part: DeliveredTable, cells: dict[str, str]) -> None:
        """Put what a code list says in the code's place."""
        lists = [c for x in part.exports for c in x.code_lists]
        coded = {c for code_list in lists for c in code_list.columns}
        if any(code_list.field for code_list in lists):
            coded |= {f for (f,) in self.connection.execute("select distinct field from code_list").fetchall()}
        columns = [c for c in part.wanted if c in coded]
        if not columns:
            return
        labels = ", ".join(f"coalesce(l_{cells[c]}.label, t.{cells[c]}) as {cells[c]}" for c in columns)
        joins = " ".join(
            f"left join code_list as l_{cells[c]} on l_{cells[c]}.field = {literal(c)} and l_{cells[c]}.code = trim(t.{cells[c]})"
            for c in columns
        )
        self.connection.execute(
            f"create or replace temp table incoming_decoded as select t.* replace ({labels}) from incoming as t {joins}"
        )
        self.connection.execute("create or replace temp view incoming as select * from incoming_decoded")

    def _reject_lines(self, part: DeliveredTable, cells: dict[str, str], blank: str) -> int:
        """Malformed lines, and rows that no ``where`` takes; returns how many of these were not expected."""
        table = part.table
        hides_text = any(x.identifiers for x in part.exports)  # a whole line would hold the identifiers too
        for line in table.malformed:
            self._ledger("rejected_line", (
                table.file, table.sheet, line.source_row, line.rule, line.reason, None, None if hides_text else line.text,
            ))
        feeding = [x for x in part.exports if not x.is_ignored]
        if not feeding or any(not x.where for x in feeding):
            return 0
        taken = " or ".join(is_taken(x, cells) for x in feeding)
        unwanted = " or ".join(is_taken(x, cells) for x in part.exports if x.is_ignored) or "false"
        asked = list(dict.fromkeys(c for x in feeding for c in x.columns_asked()))
        asked = " | ".join(asked[:MAX_COLUMNS_OF_A_ROW]) + (" | …" if len(asked) > MAX_COLUMNS_OF_A_ROW else "")
        left = f"from incoming where not ({blank}) and not ({taken})"
        self.connection.execute(
            "insert into raw.rejected_line by name select ? as sender_id, ? as delivery_id, ? as load_id, ? as source_file,"
            f" ? as source_sheet, source_row, case when {unwanted} then 'row_not_wanted' else 'row_not_expected' end as rule,"
            f" 'no export takes it' as reason, ? as column_name {left}",
            [self.inventory.sender, self.inventory.delivery, self.inventory.load_id, table.file, table.sheet, asked],
        )
        return self.connection.execute(f"select count(*) {left} and not ({unwanted})").fetchone()[0]

    def _insert_entity(
        self, export: Export, table: SourceTable, name: str, entity: Entity, cells: dict[str, str], taken: str
    ) -> tuple[int, int]:
        """Insert one entity's records of the rows taken; returns (records, empty cells of a wide table)."""
        columns = {RAW_NAMES.get(n, n): cell_text(s, cells) for n, s in entity.fields()}
        joins = [self._key_join(columns, part, entity) for part in ("patient_key", "visit_key")]
        columns |= self._provenance(export, table, entity, columns)
        empty = 0
        wide = entity.values if isinstance(entity, WideEntity) else None
        source = "incoming"
        if wide:
            concept, value = WIDE_NAMES[name]
            source, empty = self._unpivot(wide, cells, taken)
            columns |= {concept: "cell.concept", value: "cell.value", "source_column": "cell.source_column"}
            if name == "observations":
                columns["unit_source"] = "coalesce(cell.unit, " + columns.get("unit_source", "null") + ")"
        elif name in WIDE_NAMES:
            theirs = getattr(entity, {"observations": "value", "antibodies": "result", "events": "event"}[name])
            columns["source_column"] = origin(theirs, cells)
        expressions = ", ".join(f"{e} as {n}" for n, e in columns.items())
        inserted = self.connection.execute(
            f"insert into raw.{name} by name select {expressions}, source_row, ?::timestamp as loaded_at"
            f" from {source} {' '.join(j for j in joins if j)} where {taken}",
            [utc_now()],
        ).fetchone()[0]
        if isinstance(entity, Patients):
            for identifier, column in entity.link_by.items():
                self._insert_links(identifier, cells[column], columns, joins, taken)
        return inserted, empty

    def _insert_links(
        self, identifier: str, cell: str, columns: dict[str, str], joins: list[str], taken: str
    ) -> None:
        """Each patient's hash of one identifier, by which another hospital may know them."""
        fields = ("sender_id", "hospital_id", "delivery_id", "load_id", "patient_key")
        owner = ", ".join(f"{columns[name]} as {name}" for name in fields)
        self.connection.execute(
            f"insert into raw.patient_link by name select distinct {owner},"
            f" {literal(identifier)} as identifier, {linkage.link_hash_sql(identifier, cell)} as link_hash"
            f" from incoming {' '.join(j for j in joins if j)}"
            f" where {taken} and patient_key is not null and trim({cell}) <> ''"
        )

    def _key_join(self, columns: dict[str, str], key: str, entity: Entity) -> str:
        """Hash each distinct id once, and join the hashes; the id itself goes no further."""
        if key not in columns:
            return ""
        source = entity.visit_id if key == "visit_key" else entity.patient_id
        own = [m for m in self.mapping.missing if m.strip("+-.0123456789")]  # 99 can be a patient
        marks = [*NO_ID, *(m.lower() for m in (*own, *source.missing))]
        theirs, bare = columns[key], without_blanks("sent")
        is_id = f"{bare} <> '' and lower({bare}) not in ({', '.join(map(literal, marks))})"
        kind = "visit" if key == "visit_key" else "patient"
        text = f"{literal(self.mapping.sender)} || chr(31) || '{kind}' || chr(31) || {bare}"
        self.connection.execute(
            f"create or replace temp table {key}s as select sent, {pseudonym.hash_sql(text)} as key"
            f" from (select distinct {theirs} as sent from incoming) where {is_id}"
        )
        columns[key] = f"{key}s.key"
        return f"left join {key}s on {key}s.sent = {theirs}"

    def _provenance(
        self, export: Export, table: SourceTable, entity: Entity, columns: dict[str, str]
    ) -> dict[str, str]:
        hospital = literal(self.mapping.sender)
        if self.mapping.is_network:
            theirs = columns.get("hospital_id")
            hospital = f"{literal(self.mapping.sender + '_')} || trim({theirs})" if theirs else "null"
        return {
            "sender_id": literal(self.mapping.sender),
            "hospital_id": hospital,
            "delivery_id": literal(self.inventory.delivery),
            "load_id": literal(self.inventory.load_id),
            "export_id": literal(self.mapping.export_id(export)),
            "source_file": literal(table.file),
            "source_sheet": literal(table.sheet),
        }

    def _unpivot(self, wide: dict[str, ColumnSource], cells: dict[str, str], taken: str) -> tuple[str, int]:
        """One record per filled cell, in the mapping's order of columns; empty cells are counted."""
        structs = ", ".join(
            "{" + f"'concept': {literal(concept)}, 'value': {cell_text(source, cells)}, "
            f"'unit': {literal(source.unit)}::varchar, 'source_column': {origin(source, cells)}::varchar" + "}"
            for concept, source in wide.items()
        )
        relation = f"(select * from (select *, unnest([{structs}]) as cell from incoming) where cell.value is not null)"
        filled = self.connection.execute(f"select count(*) from {relation} where {taken}").fetchone()[0]
        total = self.connection.execute(f"select count(*) from incoming where {taken}").fetchone()[0] * len(wide)
        return relation, total - filled

    def _record_files(self, opened: list[DeliveredTable]) -> None:
        read = {part.table.file: part.table for part in opened}
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
        dotted = ".".join([f"exports[{number}]", *(str(k) for k in key)])
        return f"{self.registry.place_in_mapping(self.mapping.sender, 'exports', number, *key)}: {dotted}"


def _named_columns(export: Export) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each column that an export maps or asks, with the key under which it stands."""
    for name, entity in export.entities():
        for key, source in entity.sources():
            for column in (*source.columns, *source.columns_asked):
                yield (name, *key), column
        for ours, column in (entity.link_by if isinstance(entity, Patients) else {}).items():
            yield (name, "link_by", ours), column
    for i, alternative in enumerate(export.where):
        for column in alternative:
            yield ("where", i, column), column


def _ignores(export: Export, file: str, part: UnreadPart) -> bool:
    """Whether an export says that a part of a file is not wanted, which then need not even be a table."""
    pairs = ((export.member, part.member), (export.sheet, part.sheet))
    return export.is_ignored and not export.where and fnmatch(file, export.file) and all(
        pattern is None or (name is not None and (name == pattern or fnmatch(name, pattern))) for pattern, name in pairs
    )


def _id_columns(export: Export) -> Iterator[str]:
    for _, entity in export.entities():
        for source in (entity.patient_id, entity.visit_id):
            yield from source.columns if source else ()
        if isinstance(entity, Patients):
            yield from entity.link_by.values()


def _label(table: SourceTable) -> str:
    return _named(table.file, table.sheet)


def _named(file: str, sheet: str | None) -> str:
    return file + (f" [{sheet}]" if sheet else "")


def _shown(columns: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(f'"{c}"' for c in columns[:MAX_COLUMNS_SHOWN])
    return shown + (f" and {len(columns) - MAX_COLUMNS_SHOWN} more" if len(columns) > MAX_COLUMNS_SHOWN else "")
