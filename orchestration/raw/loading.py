"""Loads one delivery from its folder into schema raw. The mapping renames and routes the columns; no value is
interpreted.

Belongs here: accounting for every row, the inserts. Does not belong here: matching files and columns to a
mapping (`tables.py`). A delivery is taken whole or refused whole. dbt sees a load only once the ledger says
`accepted`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from orchestration.exports import SourceTable
from orchestration.exports.errors import unmarked
from orchestration.landing.inventory import Inventory
from orchestration.raw import forms, linkage, person_texts, pseudonym
from orchestration.raw.cell_sql import (
    all_names,
    cell_text,
    elements,
    is_taken,
    literal,
    origin,
    with_elements,
    without_blanks,
)
from orchestration.raw.delivered_table import DeliveredTable, label_of, named_columns
from orchestration.raw.exchanged_dates import ExchangedDates
from orchestration.raw.ledger import remove_load, utc_now
from orchestration.raw.reading_place import reading_place
from orchestration.raw.tables import Survey
from orchestration.raw.verdict import DeliveryRefused, LoadSummary
from orchestration.registry.entities import (
    RAW_NAMES,
    WIDE_NAMES,
    ColumnSource,
    Entity,
    Patients,
    WideEntity,
    is_date,
)
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import CodeList, Export
from orchestration.registry.person_numbers import blanked

# Texts that stand in the place of a patient's id and are no id. Taken as ids, they would merge many patients.
NO_ID = (
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "nil",
    "unknown",
    "missing",
    "-",
    "--",
    "---",
    "/",
    ".",
    "?",
    "#n/a",
    "#ref!",
    "#value!",
    "#name?",
    "#div/0!",
    "#null!",
    "#num!",
    "未知",
    "不详",
    "无",
    "缺失",
)
MAX_COLUMNS_OF_A_ROW = 3


def load_delivery(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    inventory: Inventory,
    place: Path | None = None,
    key: bytes | None = None,
) -> LoadSummary:
    """Insert the rows of a delivery under its load_id, not yet accepted; raise DeliveryRefused with all
    faults.

    Rows that an earlier, interrupted attempt at this load left behind are removed first. A refused delivery
    leaves no rows. ``place`` takes what is unpacked, and ``key`` names the patients: a place of its own, and
    the key of the connection's warehouse, unless given.
    """
    if place is None:
        with reading_place(registry) as own:
            return load_delivery(connection, registry, inventory, own, key)
    key = key or pseudonym.key_of_warehouse(connection, registry.pseudonym_key_file)
    pseudonym.set_key(connection, key)
    remove_load(connection, inventory.load_id)
    try:
        return _Loader(connection, registry, registry.mappings[inventory.sender], inventory, place).run()
    except BaseException:
        remove_load(connection, inventory.load_id)
        raise


@dataclass
class _Loader(Survey):
    """Surveys a delivery, then loads its tables into raw."""

    # Rows of the current table that hold a number of a person, each with the column that holds it.
    rejected_rows: dict[int, str] = field(default_factory=dict)
    person_findings: list[person_texts.PersonFinding] = field(default_factory=list)
    untouched: list[forms.Untouched] = field(default_factory=list)

    def run(self) -> LoadSummary:
        opened, faults = self.look()
        if faults:
            raise DeliveryRefused(self.inventory.sender, self.inventory.delivery, faults)
        summary = LoadSummary(self.inventory.load_id, files=len(self.inventory.files))
        for part in opened:
            self._insert(part, summary, faults)
        if faults:
            raise DeliveryRefused(self.inventory.sender, self.inventory.delivery, faults)
        self._record_files(opened)
        return summary

    def _insert(self, part: DeliveredTable, summary: LoadSummary, faults: list[str]) -> None:
        table = part.table
        if all(export.is_ignored for export in part.exports):
            return
        cells = {c: f"c{i}" for i, c in enumerate(table.columns)}
        looked_up = {name: code_list for x in part.exports for name, code_list in x.looked_up().items()}
        cells |= {name: f"f{i}" for i, name in enumerate(looked_up)}
        cells = with_elements((c for x in part.exports for _, c in named_columns(x)), cells)
        table.load(self.connection, "incoming", part.read)
        self._leave_out_untouched(part, cells)
        self._decode(part, cells)
        self._look_up(part, cells, looked_up)
        if reasons := self._take_out_person_numbers(part, cells):
            faults += reasons
            return
        blank = " and ".join(f"{cells[c]} is null" for c in part.wanted) or "false"
        stray = self.stray(part, cells)
        rows, blanks, strays = self.connection.execute(
            f"select count(*), count(*) filter (where {blank}), count(*) filter (where {stray} is not null) "
            "from incoming"
        ).fetchall()[0]
        none = blank
        if strays:
            none = f"({blank} or {stray} is not null)"
            faults += self.second_table(part, cells, stray)
            self._reject_strays(part, stray)
        if self.rejected_rows:
            none = f"({none} or source_row in ({', '.join(map(str, self.rejected_rows))}))"
        exchanged, undecided = self.exchanged_dates(part, cells, none)
        faults += undecided
        self._record_dates(part, exchanged)
        unexpected = self._reject_lines(part, cells, none) + strays + self._reject_persons(part)
        summary.rows_read += rows
        summary.rows_malformed += len(table.malformed) + unexpected
        counts: dict[str, list[int]] = {}
        feeding: dict[str, list[str]] = {}
        for export in part.exports:
            taken = f"not ({none}) and {is_taken(export, cells)}"
            for name, entity in export.entities():
                records, empty = self._insert_entity(export, table, name, entity, cells, taken)
                count = counts.setdefault(name, [0, 0])
                count[0] += empty
                count[1] += records
                feeding.setdefault(name, []).append(self.mapping.export_id(export))
        self._record_findings(part)
        for name, (empty, records) in counts.items():
            summary.records[name] = summary.records.get(name, 0) + records
            self._ledger(
                "source_table",
                (
                    table.file,
                    table.sheet,
                    name,
                    rows + len(table.malformed),
                    len(table.malformed) + unexpected,
                    blanks,
                    empty,
                    records,
                    feeding[name],
                ),
            )
        table.unload(self.connection, "incoming")
        self.connection.execute(
            "drop table if exists incoming_answered; drop table if exists incoming_decoded; drop table if "
            "exists incoming_looked_up; drop table if exists incoming_checked"
        )

    def _record_dates(self, part: DeliveredTable, exchanged: list[ExchangedDates]) -> None:
        """Record which dates come from date cells, and in which of them day and month are exchanged."""
        load, table = self.inventory.load_id, part.table
        cells = {
            (load, self.mapping.export_id(export), field)
            for export in part.exports
            for _, entity in export.entities()
            for field, source in entity.fields()
            if is_date(field) and table.date_cells & set(source.columns)
        }
        for row in sorted(cells):
            self.connection.execute(
                "insert into raw.date_cells select ?, ?, ? where not exists (from raw.date_cells "
                "where load_id = ? and export_id = ? and field = ?)",
                [*row, *row],
            )
        for found in exchanged:
            self.connection.execute(
                "insert into raw.exchanged_dates values (?, ?, ?, ?, ?, ?)",
                [
                    load,
                    self.mapping.export_id(found.export),
                    found.field,
                    table.file,
                    table.sheet,
                    found.texts_like,
                ],
            )

    def _reject_strays(self, part: DeliveredTable, stray: str) -> None:
        """Record the place of each stray row (a repeated header or a footer)."""
        table = part.table
        self.connection.execute(
            "insert into raw.rejected_line by name select ? as sender_id, ? as delivery_id, ? as load_id, "
            "? as source_file,"
            f" ? as source_sheet, source_row, {stray} as rule, 'no record' as reason from incoming where "
            f"{stray} is not null",
            [self.inventory.sender, self.inventory.delivery, self.inventory.load_id, table.file, table.sheet],
        )

    def _reject_persons(self, part: DeliveredTable) -> int:
        """Record the place, and no text, of each row rejected because it holds a number of a person."""
        table, rows = part.table, self.rejected_rows
        for row, column in rows.items():
            self._ledger(
                "rejected_line",
                (table.file, table.sheet, row, "person_number", "a number of a person", column, None),
            )
        self.rejected_rows = {}
        return len(rows)

    def _leave_out_untouched(self, part: DeliveredTable, cells: dict[str, str]) -> None:
        """Leave out each 0 of a form that nobody filled in, where an export would read it."""
        wanted: dict[str, list[str]] = {}
        for export in part.exports:
            for column in {c for _, entity in export.entities() for c in entity.columns()}:
                wanted.setdefault(column, []).append(is_taken(export, cells))
        taken = {c: f"({' or '.join(tests)})" for c, tests in wanted.items() if c in part.table.columns}
        self.untouched = forms.leave_out(self.connection, part.forms, part.table.columns, cells, taken)

    def _decode(self, part: DeliveredTable, cells: dict[str, str]) -> None:
        """Replace each code by the label that its code list gives."""
        lists = [c for x in part.exports for c in x.code_lists]
        coded = {c for code_list in lists for c in code_list.columns}
        if any(code_list.field for code_list in lists):
            coded |= {
                f for (f,) in self.connection.execute("select distinct field from code_list").fetchall()
            }
        columns = [c for c in part.wanted if c in coded]
        if not columns:
            return
        labels = ", ".join(f"coalesce(l_{cells[c]}.label, t.{cells[c]}) as {cells[c]}" for c in columns)
        joins = " ".join(
            f"left join code_list as l_{cells[c]} on l_{cells[c]}.field = {literal(c)} "
            f"and l_{cells[c]}.code = trim(t.{cells[c]})"
            for c in columns
        )
        self.connection.execute(
            f"create or replace temp table incoming_decoded as select t.* replace ({labels}) "
            f"from incoming as t {joins}"
        )
        self.connection.execute("create or replace temp view incoming as select * from incoming_decoded")

    def _look_up(self, part: DeliveredTable, cells: dict[str, str], looked_up: dict[str, CodeList]) -> None:
        """Add to each row the fields that a code list fills. A code that the list lacks stays as it is,
        except that it never becomes an id.
        """
        if not looked_up:
            return
        ids = {
            c
            for x in part.exports
            for _, e in x.entities()
            for s in (e.patient_id, e.visit_id)
            if s
            for c in s.columns
        }
        selected, joins = [], []
        for name, code_list in looked_up.items():
            assert code_list.code_column is not None  # a list that is looked up names the column of its code
            own, code = cells[name], f"t.{cells[code_list.code_column]}"
            unknown = "null" if name in ids else code
            selected.append(f"case when l_{own}.code is null then {unknown} else l_{own}.label end as {own}")
            joins.append(
                f"left join code_list as l_{own} on l_{own}.field = {literal(name)} "
                f"and l_{own}.code = trim({code})"
            )
        self.connection.execute(
            f"create or replace temp table incoming_looked_up as select t.*, {', '.join(selected)} "
            f"from incoming as t {' '.join(joins)}"
        )
        self.connection.execute("create or replace temp view incoming as select * from incoming_looked_up")

    def _take_out_person_numbers(self, part: DeliveredTable, cells: dict[str, str]) -> list[str]:
        """Find the numbers of persons in the texts before a row goes any further. Each is reported, and
        either taken out, or its row marked as rejected.

        Returns the reasons to refuse the delivery. A column that holds little else than such numbers is an
        identifier, and the mapping must list it as one.
        """
        texts = person_texts.texts_of(part.exports, self.mapping, cells)
        found = person_texts.find(self.connection, texts)
        reasons = [
            f'{self._place(label_of(part.table))}: column "{f.column}": {f.cells:,} of {f.filled:,} texts '
            f"hold {person_texts.NAMED[f.kind]}, the first in row {f.first_row}; expected no identifiers; "
            "list the column under identifiers, or write `person_numbers: keep` if they are none"
            for f in found
            if f.is_an_identifier
        ]
        if not reasons and found:
            self.rejected_rows = person_texts.take_out(self.connection, texts, found)
            self.person_findings = found
        return reasons

    def _record_findings(self, part: DeliveredTable) -> None:
        """Record, by entity and column, what the reader and the search for numbers of persons found."""
        told = [(f.rule, f.column, f.count, f.first_row) for f in part.table.findings]
        told += [("person_number", f.column, f.cells, f.first_row) for f in self.person_findings]
        told += [(f.rule, f.column, f.cells, f.first_row) for f in self.untouched]
        for name in dict.fromkeys(name for x in part.exports for name, _ in x.entities()):
            columns = {
                c
                for x in part.exports
                for other, e in x.entities()
                if other == name
                for named in e.columns()
                for c in elements(named, part.table.columns)
            }
            for finding, column, count, first_row in told:
                if column is None or column in columns:
                    self._ledger(
                        "source_finding",
                        (part.table.file, part.table.sheet, name, finding, column, count, first_row),
                    )
        self.person_findings = []

    def _reject_lines(self, part: DeliveredTable, cells: dict[str, str], blank: str) -> int:
        """Record malformed lines and rows that no ``where`` takes; returns how many of these rows nobody
        expected.
        """
        table = part.table
        hides_text = any(x.identifiers for x in part.exports)  # a whole line holds the identifiers too
        for line in table.malformed:
            self._ledger(
                "rejected_line",
                (
                    table.file,
                    table.sheet,
                    line.source_row,
                    line.rule,
                    unmarked(
                        line.reason, lambda _, name: self.names.column(name, table.columns, label_of(table))
                    ),
                    None,
                    None if hides_text else blanked(line.text),
                ),
            )
        feeding = [x for x in part.exports if not x.is_ignored]
        if not feeding or any(not x.where for x in feeding):
            return 0
        taken = " or ".join(is_taken(x, cells) for x in feeding)
        unwanted = " or ".join(is_taken(x, cells) for x in part.exports if x.is_ignored) or "false"
        asked = list(dict.fromkeys(c for x in feeding for c in x.columns_asked()))
        shown = " | ".join(asked[:MAX_COLUMNS_OF_A_ROW]) + (
            " | …" if len(asked) > MAX_COLUMNS_OF_A_ROW else ""
        )
        left = f"from incoming where not ({blank}) and not ({taken})"
        self.connection.execute(
            "insert into raw.rejected_line by name select ? as sender_id, ? as delivery_id, ? as load_id, "
            "? as source_file,"
            f" ? as source_sheet, source_row, case when {unwanted} then 'row_not_wanted' else "
            "'row_not_expected' end as rule,"
            f" 'no export takes it' as reason, ? as column_name {left}",
            [
                self.inventory.sender,
                self.inventory.delivery,
                self.inventory.load_id,
                table.file,
                table.sheet,
                shown,
            ],
        )
        return self.connection.execute(f"select count(*) {left} and not ({unwanted})").fetchall()[0][0]

    def _insert_entity(
        self, export: Export, table: SourceTable, name: str, entity: Entity, cells: dict[str, str], taken: str
    ) -> tuple[int, int]:
        """Insert one entity's records from the rows that the export takes; returns (records, empty cells of a
        wide table).
        """
        several = ("other_codes", "other_names")
        columns = {RAW_NAMES.get(n, n): cell_text(s, cells) for n, s in entity.fields() if n not in several}
        codes, names = (getattr(entity, name, None) for name in several)
        if codes or names:
            columns["other_names"] = all_names(codes, names, cells)
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
            theirs = getattr(
                entity, {"observations": "value", "antibodies": "result", "events": "event"}[name]
            )
            columns["source_column"] = origin(theirs, cells)
        expressions = ", ".join(f"{e} as {n}" for n, e in columns.items())
        inserted = self.connection.execute(
            f"insert into raw.{name} by name select {expressions}, source_row, ?::timestamp as loaded_at"
            f" from {source} {' '.join(j for j in joins if j)} where {taken}",
            [utc_now()],
        ).fetchall()[0][0]
        if isinstance(entity, Patients):
            for identifier, column in entity.link_by.items():
                self._insert_links(identifier, cells[column], columns, joins, taken)
        return inserted, empty

    def _insert_links(
        self, identifier: str, cell: str, columns: dict[str, str], joins: list[str], taken: str
    ) -> None:
        """Insert each patient's hash of one identifier, by which another hospital may know the patient."""
        fields = ("sender_id", "hospital_id", "delivery_id", "load_id", "patient_key")
        owner = ", ".join(f"{columns[name]} as {name}" for name in fields)
        self.connection.execute(
            f"insert into raw.patient_link by name select distinct {owner},"
            f" {literal(identifier)} as identifier, {linkage.link_hash_sql(identifier, cell)} as link_hash"
            f" from incoming {' '.join(j for j in joins if j)}"
            f" where {taken} and patient_key is not null and trim({cell}) <> ''"
        )

    def _key_join(self, columns: dict[str, str], key: str, entity: Entity) -> str:
        """Hash each distinct id once, and join the hashes to the rows; the id itself goes no further."""
        if key not in columns:
            return ""
        source = entity.visit_id if key == "visit_key" else entity.patient_id
        assert source is not None  # a key among the columns comes from one
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
            f"'unit': {literal(source.unit)}::varchar, 'source_column': {origin(source, cells)}::varchar"
            + "}"
            for concept, source in wide.items()
        )
        relation = (
            f"(select * from (select *, unnest([{structs}]) as cell from incoming) where cell.value is not "
            "null)"
        )
        filled = self.connection.execute(f"select count(*) from {relation} where {taken}").fetchall()[0][0]
        total = self.connection.execute(f"select count(*) from incoming where {taken}").fetchall()[0][
            0
        ] * len(wide)
        return relation, total - filled

    def _record_files(self, opened: list[DeliveredTable]) -> None:
        read = {part.table.file: part.table for part in opened}
        for file in self.inventory.files:
            told = self.names.file(file.name)
            table = read.get(told)
            self._ledger(
                "delivery_file",
                (
                    told,
                    file.sha256,
                    file.bytes,
                    table.format if table else "ignored",
                    table.encoding if table else None,
                ),
            )

    def _ledger(self, table: str, values: tuple[object, ...]) -> None:
        row = (self.inventory.sender, self.inventory.delivery, self.inventory.load_id, *values)
        self.connection.execute(f"insert into raw.{table} values ({', '.join('?' for _ in row)})", list(row))
