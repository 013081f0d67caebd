"""Compares the tables of a delivery with what its mapping expects: which tables there are, which exports read
them, and every fault.

Belongs here: files, sheets, columns and code lists that are missing or that no export reads; two tables on
one sheet. Does not belong here: one table (`delivered_table.py`), rows (`loading.py`), how a file becomes a
table (`exports/`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

import duckdb

from orchestration.exports import (
    BLANKS,
    ExportFault,
    ReadSpec,
    SourceTable,
    UnreadPart,
    left_unread,
    open_tables,
)
from orchestration.exports.columns import alike, column_letter
from orchestration.exports.fhir import is_added
from orchestration.landing.inventory import DeliveredFile, Inventory
from orchestration.landing.names import Names, columns_spelled, linked
from orchestration.raw import exchanged_dates
from orchestration.raw.cell_sql import code_list_sql, elements, literal, without_blanks
from orchestration.raw.delivered_table import (
    DeliveredTable,
    as_headed,
    id_columns,
    label_from,
    label_of,
    named_columns,
    spelled_as_mapped,
)
from orchestration.raw.exchanged_dates import ExchangedDates
from orchestration.raw.forms import dictionary, forms_of
from orchestration.raw.redcap import DictionaryField
from orchestration.registry.entities import is_named
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import CodeList, Export, Mapping, is_called
from yaml_files.yaml_file import nearest

log = logging.getLogger("myositis")
MAX_COLUMNS_SHOWN = 40
# Lines that reports print below a table.
FOOTER = (
    "(grand |sub)?totals?\\b.*|end of (the )?(report|file|list|data|export)\\b.*|end|eof|[-=*_]{3,}.*"
    "|(sum|count|mean|average|rows?|records?|number of (rows|records|patients))\\s*[:=].*"
    "|(合计|总计|小计|共计)([:：].*)?"
)
FOOTER_BEGINS = "gstecmarn-=*_合总小共"


@dataclass
class Survey:
    connection: duckdb.DuckDBPyConnection
    registry: Registry
    mapping: Mapping
    inventory: Inventory
    workdir: Path
    names: Names = field(init=False)
    dictionary: list[DictionaryField] = field(default_factory=list)  # of a REDCap project
    empty_files: list[str] = field(default_factory=list)  # a header without rows, where that is allowed

    def __post_init__(self) -> None:
        self.names = Names(self.mapping, self.inventory)

    def look(self) -> tuple[list[DeliveredTable], list[str]]:
        """Open every file that the mapping names; returns the tables, under names that may be shown, and
        every fault found.
        """
        if faults := self._not_files():
            return [], faults
        opened = self._open(faults)
        faults += self._read_code_lists()
        for part in opened:
            part.forms = forms_of(part.exports, part.table.columns, self.dictionary)
        faults += self._unmapped_files()
        faults += self._unread_parts(opened)
        faults += self._column_faults(opened)
        faults += self._rounded_ids(opened)
        faults += self.registry.undecided([self.mapping.sender])
        if not faults and not self.empty_files and not sum(part.table.rows_in for part in opened):
            faults.append(
                f"{self._place()}: the delivery is empty: no file holds a row; ask the hospital for it again"
            )
        for part in opened:
            table = part.table
            sheet = self.names.sheet(table.file, table.sheet, table.sheet_place)
            part.table = replace(table, file=self.names.file(table.file), sheet=sheet)
        self.names.keep(self.registry.folder)
        return opened, list(
            dict.fromkeys(faults)
        )  # every export that reads a file meets the same fault when the file does not open

    def _not_files(self) -> list[str]:
        """Links, pipes, devices, and files that cannot be opened or named. They are not opened, and the
        delivery with them is not read.
        """
        return [
            f"{self._place('' if other.name == '.' else self.names.file(other.name))}: a {other.kind};"
            f" {other.remedy}"
            for other in self.inventory.not_files
        ]

    def _open(self, faults: list[str]) -> list[DeliveredTable]:
        """Every table that an export reads. Exports that read one sheet in the same way share the table."""
        found: dict[tuple[str, str, str | None], DeliveredTable] = {}
        read: dict[tuple[str, str], list[SourceTable]] = {}
        for export in self.mapping.exports:
            files = [f for f in self.inventory.files if self.mapping.reads(export, f.name)]
            if not files and not export.optional:
                there = ", ".join(self.names.file(f.name) for f in self.inventory.files) or "none"
                loose = [
                    f.name
                    for f in self.inventory.files
                    if not any(self.mapping.reads(x, f.name) for x in self.mapping.exports)
                    and self.names.file(f.name) == f.name
                ]
                other_case = any(is_called(f.name, export.file, True) for f in self.inventory.files)
                near = (
                    " Only the case of a file's name differs: write it so, or `ignore_case: true`."
                    if other_case
                    else nearest(export.file, loose)
                )
                faults.append(
                    f'{self._mapping_place(export, "file")}: no file "{export.file}" in {self._place()}.'
                    f" Its files: {there}.{near} Ask for the file, correct `file`, or write `optional: true`"
                    " where deliveries may come without it."
                )
            keys = {key: getattr(export, key) for key in ReadSpec.model_fields}
            spec = ReadSpec(**{**keys, "decimal": self.mapping.decimal_of(export)})
            way = spec.model_copy(update={"sheet": None, "decimal": None}).model_dump_json()
            for file in files:
                if self._is_unwanted(file, export):
                    continue
                for table in self._tables(
                    file, spec, read, None if export.is_ignored and not export.where else faults
                ):
                    if self.mapping.ignores_case(export):
                        table = spelled_as_mapped(table, self._spelled_of(file))
                        way += "/"
                    mark = (
                        "" if table.format in ("csv", "tsv") else spec.decimal_mark
                    )  # which only typed cells are written with
                    part = found.setdefault((way + mark, table.file, table.sheet), DeliveredTable(table, []))
                    part.exports.append(export)
        return list(found.values())

    def _tables(
        self,
        file: DeliveredFile,
        spec: ReadSpec,
        read: dict[tuple[str, str], list[SourceTable]],
        faults: list[str] | None,
    ) -> list[SourceTable]:
        """Reads each table once. Without ``faults``, tables that cannot be read are skipped, because no
        export wants them.
        """
        key = (file.name, spec.model_dump_json())
        if key not in read:
            log.debug(
                "reading %s%s",
                self._place(self.names.file(file.name)),
                f" [{spec.sheet}]" if spec.sheet else "",
            )
            try:
                read[key] = open_tables(self._link(file), spec, self.workdir, file.name)
                for table in read[key]:
                    self.names.columns[table.file] = list(table.columns)
                    if table.sheet is not None and table.sheet_place is not None:
                        self.names.sheet_numbers[table.file, table.sheet] = table.sheet_place
            except ExportFault as fault:
                if faults is None:
                    return []
                read[key] = []
                if fault.rule == "no_rows" and not fault.others and self._may_be_empty(file):
                    self.empty_files.append(file.name)
                    return []
                faults.append(f"{self._place()}/{self.names.told(fault, file.name)}")
        return read[key]

    def _may_be_empty(self, file: DeliveredFile) -> bool:
        """Whether every export that reads the file takes a header without rows for: nothing new."""
        readers = [x for x in self.mapping.exports if self.mapping.reads(x, file.name)]
        return all(x.may_be_empty or x.optional for x in readers)

    def _link(self, file: DeliveredFile) -> Path:
        return linked(file, self.inventory.files.index(file) + 1, self.workdir)

    def _spelled_of(self, file: DeliveredFile) -> list[str]:
        """The mapping's spelling of the columns of a file whose column names are compared without case."""
        exports = [
            x
            for x in self.mapping.exports
            if self.mapping.reads(x, file.name) and self.mapping.ignores_case(x)
        ]
        return list(dict.fromkeys(c for x in exports for c in columns_spelled(x)))

    def _is_unwanted(self, file: DeliveredFile, export: Export) -> bool:
        """Whether every export of a file says only ignored: ['*']. Such a file is not opened, because it may
        be no table.
        """
        return (
            export.is_ignored
            and export.sheet is None
            and export.member is None
            and not any(
                self.mapping.reads(x, file.name)
                for x in self.mapping.exports
                if not x.is_ignored or x.sheet or x.member
            )
        )

    def _read_code_lists(self) -> list[str]:
        """Read every delivered code list into the temporary table code_list; returns the faults."""
        faults: list[str] = []
        self.connection.execute(
            "create or replace temp table code_list (field varchar, code varchar, label varchar)"
        )
        for export, place, code_list in self._code_lists():
            for file in self._files_of(export, code_list):
                try:
                    tables = open_tables(self._link(file), ReadSpec(), self.workdir, file.name)
                except ExportFault as fault:
                    faults.append(f"{self._place()}/{self.names.told(fault, file.name)}")
                    continue
                for table in tables:
                    if self.mapping.ignores_case(export):
                        table = spelled_as_mapped(table, list(code_list.own_columns()))
                    absent = [c for c in code_list.own_columns() if c not in table.columns]
                    faults += [self._no_column(export, place, c, table) for c in absent]
                    if not absent:
                        self.dictionary += dictionary(self.connection, code_list, table)
                        self.connection.execute(f"insert into code_list {code_list_sql(code_list, table)}")
        self.connection.execute("create or replace temp table code_list as select distinct * from code_list")
        twice = self.connection.execute(
            "select field, count(*) from (select field, code from code_list group by all "
            "having count(*) > 1) group by 1 order by 1"
        ).fetchall()
        return faults + [
            f'{self._place()}: the code lists give two meanings to {n} codes of "{field}"; ask the hospital '
            "which holds"
            for field, n in twice
        ]

    def _no_column(
        self, export: Export, place: tuple[str | int, ...], column: str, table: SourceTable
    ) -> str:
        """The sentence that a column is missing; it names a column that differs only in case, if there is
        one.
        """
        within = self._told(table)
        other_case = [c for c in table.columns if c.lower() == column.lower()]
        tellable = self.names.tellable(table.columns)
        if other_case:
            remedy = (
                f' Only the case differs from "{other_case[0]}": write it so, or `ignore_case: true` where '
                "the case of names does not matter."
            )
        else:
            remedy = nearest(column, tellable)
        return (
            f'{self._mapping_place(export, *place)}: no column "{column}" in {self._place(within)}. Its '
            f"columns: {self.names.listed(table.columns, table.columns, within, MAX_COLUMNS_SHOWN)}.{remedy}"
        )

    def _several_columns(
        self,
        export: Export,
        place: tuple[str | int, ...],
        column: str,
        several: list[str],
        table: SourceTable,
    ) -> str:
        letters = ", ".join(column_letter(table.columns.index(c)) for c in several[:5])
        return (
            f"{self._mapping_place(export, *place)}: {len(several)} columns of "
            f'{self._place(self._told(table))} are called "{column}" ({letters}); expected one; write '
            f'"{several[0]}" for the first, "{several[1]}" for the second, …, or `header_rows: 2` where the '
            "row below says which is which"
        )

    def _told(self, table: SourceTable) -> str:
        """The name under which a table may be shown, while its file still has the hospital's name."""
        return label_from(
            self.names.file(table.file), self.names.sheet(table.file, table.sheet, table.sheet_place)
        )

    def _files_of(self, export: Export, code_list: CodeList) -> list[DeliveredFile]:
        without_case = self.mapping.ignores_case(export)
        return [f for f in self.inventory.files if is_called(f.name, code_list.file, without_case)]

    def _code_lists(self) -> Iterator[tuple[Export, tuple[str | int, ...], CodeList]]:
        seen = []
        for export in self.mapping.exports:
            for i, code_list in enumerate(export.code_lists):
                if code_list not in seen:
                    seen.append(code_list)
                    yield export, ("code_lists", i), code_list

    def _unmapped_files(self) -> list[str]:
        patterns = [x.file for x in self.mapping.exports] + [c.file for _, _, c in self._code_lists()]
        listed = {f.name for x, _, c in self._code_lists() for f in self._files_of(x, c)}
        return [
            f"{self._place(self.names.file(file.name))}: no export of hospitals/{self.mapping.sender}.yml "
            "reads this file; map it, or list it with ignored: ['*']. Known files: "
            f"{', '.join(dict.fromkeys(patterns))}"
            for file in self.inventory.files
            if not any(self.mapping.reads(x, file.name) for x in self.mapping.exports)
            and file.name not in listed
        ]

    def _unread_parts(self, opened: list[DeliveredTable]) -> list[str]:
        """Sheets and archive members that no export reads; an export with ignored: ['*'] may name them."""
        faults: list[str] = []
        tables = [part.table for part in opened]
        for file in self.inventory.files:
            if not any(t.file == file.name or t.file.startswith(f"{file.name}/") for t in tables):
                continue
            try:
                unread = left_unread(file.path, tables, self.workdir, file.name)
            except ExportFault as fault:  # a sheet that no export asks for can be the one that is damaged
                told = fault if fault.file else fault.at(file=file.name)
                faults.append(f"{self._place()}/{self.names.told(told, file.name)}")
                continue
            faults += [
                f"{self._place(self.names.file(file.name))}: no export of "
                f"hospitals/{self.mapping.sender}.yml reads {self._unread(file.name, part)}; map it, or "
                "list it with ignored: ['*']"
                for part in unread
                if not any(
                    self.mapping.reads(x, file.name) and (_ignores(x, part) or _asks_for(x, part))
                    for x in self.mapping.exports
                )
            ]
        return faults

    def _unread(self, file: str, part: UnreadPart) -> str:
        member = None if part.member is None else f'"{self.names.member(file, part.member)}"'
        if part.sheet is None:
            return str(member)
        book = f"{file}/{part.member}" if part.member else file
        sheet = (
            f"{'the hidden sheet ' if part.is_hidden else ''}"
            f'"{self.names.sheet(book, part.sheet, part.sheet_place)}"'
        )
        return f"{sheet} of {member}" if member else sheet

    def _column_faults(self, opened: list[DeliveredTable]) -> list[str]:
        faults: list[str] = []
        loose: dict[tuple[str, str | None], list[str]] = {}
        told: dict[tuple[str, str | None], str] = {}
        for part in opened:
            table = part.table
            names: list[str] = []
            feeding = [x for x in part.exports if not x.is_ignored]
            for export in part.exports:
                if not (
                    feeding and export.is_ignored and export.where
                ):  # it is rows that are not wanted, not columns
                    names += [*export.identifiers, *export.ignored, *export.undecided]
                for place, column in named_columns(export):
                    if any(c in table.columns for c in elements(column, table.columns)):
                        names.append(column)
                    elif several := alike(column, table.columns):
                        names.append(column)
                        faults.append(self._several_columns(export, place, column, several, table))
                    elif column not in export.looked_up() and not is_named(
                        column, export.optional_columns, table.columns
                    ):
                        faults.append(self._no_column(export, place, column, table))
                for number, code_list in enumerate(export.code_lists):
                    if (coded := code_list.code_column) in table.columns:
                        names.append(coded)
                    elif coded is not None:
                        faults.append(self._no_column(export, ("code_lists", number), coded, table))
            names += [c for name in names for c in alike(name, table.columns)]
            unread = [
                c
                for c in table.columns
                if not is_named(c, names, table.columns) and not (table.format == "ndjson" and is_added(c))
            ]
            key = (table.file, table.sheet)
            told[key] = self._told(table)
            loose[key] = [c for c in loose[key] if c in unread] if key in loose else unread
        for (file, sheet), columns in loose.items():
            if columns:
                faults.append(
                    f"{self._place(told[file, sheet])}: hospitals/{self.mapping.sender}.yml neither maps "
                    f"nor ignores {self._unread_columns(opened, file, sheet, columns)}; map each, or list "
                    f"it under ignored or identifiers{self._other_case(opened, file, sheet, columns)}"
                )
        return faults

    def _unread_columns(
        self, opened: list[DeliveredTable], file: str, sheet: str | None, columns: list[str]
    ) -> str:
        table = next(part.table for part in opened if (part.table.file, part.table.sheet) == (file, sheet))
        text = self.names.listed(columns, table.columns, self._told(table), MAX_COLUMNS_SHOWN)
        return (
            text if text.startswith("column ") else f"{'column' if len(columns) == 1 else 'columns'} {text}"
        )

    def _other_case(
        self, opened: list[DeliveredTable], file: str, sheet: str | None, columns: list[str]
    ) -> str:
        """The remedy for a column that the mapping spells in other capitals, if there is one."""
        exports = [x for p in opened if (p.table.file, p.table.sheet) == (file, sheet) for x in p.exports]
        spelled = {c.lower(): c for x in exports for c in columns_spelled(x) if "*" not in c}
        found = [(c, spelled[c.lower()]) for c in columns if spelled.get(c.lower(), c) != c]
        return "".join(
            f'. Only the case of "{column}" differs from "{ours}" of the mapping: write it so, or '
            "`ignore_case: true` where the case of names does not matter"
            for column, ours in found[:1]
        )

    def _rounded_ids(self, opened: list[DeliveredTable]) -> list[str]:
        """Ids whose last digits a spreadsheet has rounded away: two patients may look like one."""
        return [
            f'{self._place(self._told(part.table))}: column "{finding.column}": {finding.count:,} ids have '
            f"lost digits, the first in row {finding.first_row}, because a spreadsheet keeps 15; expected "
            "whole ids, because two patients can look like one; ask for the column as text"
            for part in opened
            for finding in part.table.findings
            if finding.rule == "digits_lost"
            and finding.column in {c for x in part.exports for c in id_columns(x)}
        ]

    def stray(self, part: DeliveredTable, cells: dict[str, str]) -> str:
        """SQL for why a row is no record ('repeated_header' or 'footer'), else null. It looks at the text in
        the place of an id.
        """
        sources = [s for x in part.exports for _, e in x.entities() for s in (e.patient_id, e.visit_id) if s]
        ids = [c for c in dict.fromkeys(c for s in sources for c in s.columns) if c in part.table.columns]
        tests = [
            # Cheap test first: most ids start unlike a footer or header; the checks below are slow.
            f"when not contains({literal(BLANKS + FOOTER_BEGINS + c[:1].lower())}, lower(left({cells[c]}, "
            "1))) then null"
            f" when {without_blanks(cells[c])} in ({as_headed(c)}) then 'repeated_header'"
            f" when left({cells[c]}, 1) between '0' and '9' then null"
            f" when regexp_full_match(lower({without_blanks(cells[c])}), {literal(FOOTER)}) then 'footer'"
            for c in ids
        ]
        return f"(case {' '.join(tests)} end)" if tests else "(null)"

    def second_table(self, part: DeliveredTable, cells: dict[str, str], stray: str) -> list[str]:
        """A repeated header with other column names begins a second table; the delivery is then refused."""
        other = " or ".join(
            f"{without_blanks(cells[c])} not in ({as_headed(c)})"
            for c in part.wanted
            if c in part.table.columns
        )
        row = self.connection.execute(
            f"select min(source_row) from incoming where {stray} = 'repeated_header' and ({other or 'false'})"
        ).fetchall()[0][0]
        return (
            []
            if row is None
            else [
                f"{self._place(label_of(part.table))}: row {row} is a second header: the sheet holds two "
                "tables; expected one; ask for each table as a sheet or a file of its own"
            ]
        )

    def exchanged_dates(
        self, part: DeliveredTable, cells: dict[str, str], none: str
    ) -> tuple[list[ExchangedDates], list[str]]:
        """The dates whose day and month a spreadsheet has exchanged, and faults for the columns in which
        nobody can tell.
        """
        found, faults = exchanged_dates.find(
            self.connection, self.mapping, part.exports, cells, set(part.table.date_cells), none
        )
        return found, [f"{self._place(label_of(part.table))}: {fault}" for fault in faults]

    def _place(self, file: str = "") -> str:
        return f"{self.inventory.sender}/{self.inventory.delivery}" + (f"/{file}" if file else "")

    def _mapping_place(self, export: Export, *key: str | int) -> str:
        number = self.mapping.exports.index(export)
        dotted = ".".join([f"exports[{number}]", *(str(k) for k in key)])
        return f"{self.registry.place_in_mapping(self.mapping.sender, 'exports', number, *key)}: {dotted}"


def _ignores(export: Export, part: UnreadPart) -> bool:
    """Whether an export says that a part of a file is not wanted; such a part need not even be a table."""
    return export.is_ignored and not export.where and _covers(export, part)


def _asks_for(export: Export, part: UnreadPart) -> bool:
    """Whether an export names the part; the reason why it could not be read is then already reported."""
    return (export.member if part.sheet is None else export.sheet) is not None and _covers(export, part)


def _covers(export: Export, part: UnreadPart) -> bool:
    pairs = ((export.member, part.member), (export.sheet, part.sheet))
    return all(
        pattern is None or (name is not None and (name == pattern or fnmatch(name, pattern)))
        for pattern, name in pairs
    )
