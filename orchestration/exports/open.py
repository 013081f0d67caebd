"""Opening one file of a delivery, whatever it is.

Belongs here: choosing the reader, unpacking first where needed, and naming the file in every fault.
Does not belong here: any reader.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from inspect import signature
from pathlib import Path

import duckdb

from .archive import ARCHIVES, member_names, unpacked
from .columns import BLANKS
from .errors import ExportFault
from .formats import BY_ID, SHEETED
from .kinds import kind_of
from .rows import Written
from .sheet import SheetRows
from .spec import ReadSpec
from .tables import Finding, SourceTable, written_table
from .worker import in_worker

DEEPEST = 2  # a compressed file in a zip; not a zip in a zip


def open_tables(
    path: Path, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection, name: str | None = None
) -> list[SourceTable]:
    """The tables of one file: one per sheet, or per member of an archive, that ``spec`` asks for.

    ``name`` is the file's name in messages and in provenance; default: its own. ``workdir`` holds what must
    be rewritten so that DuckDB can read it. It is needed as long as a relation is used, holds what the file
    held (identifiers too), and the caller must remove it. Raises ``ExportFault``.
    """
    path, name = Path(path), name or Path(path).name
    workdir = Path(tempfile.mkdtemp(dir=workdir))
    try:
        return list(_tables(path.absolute(), name, spec, workdir, connection, 0))
    except ExportFault as fault:
        raise (fault if fault.file else fault.at(file=name)) from None


@dataclass(frozen=True)
class UnreadPart:
    """A member of an archive, or a sheet (of a member, or of the file itself), that gave no table."""

    member: str | None
    sheet: str | None
    is_hidden: bool = False
    sheet_place: int | None = None  # in the workbook, from 1

    def __str__(self) -> str:
        if self.sheet is None:
            return f'"{self.member}"'
        words = f'the hidden sheet "{self.sheet}"' if self.is_hidden else f'"{self.sheet}"'
        return f'{words} of "{self.member}"' if self.member else words


def left_unread(
    path: Path, tables: Iterable[SourceTable], workdir: Path, name: str | None = None
) -> list[UnreadPart]:
    """Members of an archive, and sheets with cells (hidden ones too), that gave none of ``tables``.

    A mapping that reads only part of a file must name the other parts, or something would be lost in silence.
    """
    name = name or path.name
    found = [table for table in tables if table.file == name or table.file.startswith(f"{name}/")]
    kind = kind_of(path, name, ReadSpec())
    left = []
    if kind == "zip":
        read = {table.file.removeprefix(f"{name}/") for table in found}
        left = [UnreadPart(member, None) for member in member_names(path) if member not in read]
    for file, book_kind in dict.fromkeys((t.file, t.format) for t in found if t.format in SHEETED):
        member = file.removeprefix(f"{name}/") if kind == "zip" else None
        known = [table.sheet for table in found if table.file == file]
        book = path
        if kind in ARCHIVES:
            wanted = glob.escape(member) if member else None
            [(book, _)] = unpacked(path, kind, wanted, Path(tempfile.mkdtemp(dir=workdir)))
        others = in_worker("workbook:other_sheets", path=str(book), kind=book_kind, known=known)
        left += [UnreadPart(member, sheet, is_hidden, place) for sheet, is_hidden, place in others]
    return left


def sheet_places(path: Path, name: str) -> list[tuple[str, int]]:
    """The sheets of a workbook with their places; none if the file is no workbook or does not open."""
    try:
        kind = kind_of(path, name, ReadSpec())
        found = in_worker("workbook:sheet_places", path=str(path), kind=kind) if kind in SHEETED else []
    except ExportFault:
        return []
    return [(sheet, place) for sheet, place in found]


def _tables(
    path: Path, name: str, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection, depth: int
) -> Iterator[SourceTable]:
    if path.stat().st_size == 0:
        raise ExportFault(
            "empty_file",
            file=name,
            found="an empty file",
            expected="a header and rows",
            remedy="Ask for the file again.",
        )
    kind = kind_of(path, name, spec)
    if kind in ARCHIVES:
        yield from _archive(path, name, kind, spec, workdir, connection, depth)
    else:
        yield from _read(path, name, kind, spec, workdir, connection)


def _read(
    path: Path, name: str, kind: str, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection
) -> Iterator[SourceTable]:
    """The tables that the declared reader of the format gives (`formats.py`), told what it asks for."""
    module, _, function = BY_ID[kind].reader.partition(":")
    reader = getattr(import_module(f".{module}", __package__), function)
    known = {
        "path": path, "name": name, "kind": kind, "spec": spec, "workdir": workdir, "connection": connection,
    }  # fmt: skip
    found = reader(**{asked: known[asked] for asked in signature(reader).parameters})
    yield from [found] if isinstance(found, SourceTable) else found


def _archive(
    path: Path,
    name: str,
    kind: str,
    spec: ReadSpec,
    workdir: Path,
    connection: duckdb.DuckDBPyConnection,
    depth: int,
) -> Iterator[SourceTable]:
    """Tables of every wanted member; a fault names the member as ``archive.zip/member.csv``."""
    if depth == DEEPEST or (depth and kind == "zip"):
        raise ExportFault(
            "nested_archive",
            found="an archive in an archive",
            expected="files in an archive",
            remedy="Ask for the files packed once.",
        )
    faults: list[ExportFault] = []
    for file, member in unpacked(path, kind, spec.member, workdir):
        full_name = f"{name}/{member}" if member else name
        seen_as = full_name if member else name.removesuffix(Path(name).suffix)
        inner = Path(tempfile.mkdtemp(dir=workdir))
        try:
            for table in _tables(file, seen_as, spec, inner, connection, depth + 1):
                yield replace(table, file=full_name)
        except ExportFault as fault:
            faults.append(fault.at(file=full_name))
    if faults:
        raise faults[0].with_others(faults[1:])


def read_sheets(path: Path, name: str, kind: str, spec: ReadSpec, workdir: Path) -> Iterator[SourceTable]:
    """A table for each sheet that ``spec`` asks for."""
    found = in_worker(
        "workbook:read_workbook", path=str(path), kind=kind, options=asdict(spec.grid()), workdir=str(workdir)
    )
    faults: list[ExportFault] = []
    for sheet in map(SheetRows.from_json, found):
        try:
            yield _sheet_table(sheet, name, kind, spec)
        except ExportFault as fault:
            faults.append(fault.at(sheet=sheet.name))
    if faults:
        raise faults[0].with_others(faults[1:])


def _sheet_table(sheet: SheetRows, name: str, kind: str, spec: ReadSpec) -> SourceTable:
    findings = [
        Finding(rule, sheet.header[i].strip(BLANKS) if i < len(sheet.header) else None, count, first)
        for rule, found in (("digits_lost", sheet.digits_lost), ("struck_out", sheet.struck_out))
        for i, count, first in found
    ]
    return written_table(
        sheet.written,
        sheet.header,
        sheet.header_row,
        file=name,
        sheet=sheet.name,
        sheet_place=sheet.place,
        format=kind,
        spec=spec,
        used=set(sheet.used),
        findings=findings,
        date_cells=sheet.date_cells,
    )


def read_statistics(path: Path, name: str, kind: str, spec: ReadSpec, workdir: Path) -> SourceTable:
    """The one table of a file of SAS, SPSS or Stata."""
    found = in_worker(
        "statistics_file:read_statistics_file",
        path=str(path),
        kind=kind,
        suffix=Path(name).suffix.lower(),
        labels=spec.labels,
        encoding=spec.encoding,
        decimal_mark=spec.decimal_mark,
        keep_damaged=spec.damaged_text == "keep",
        workdir=str(workdir),
    )
    return written_table(
        Written.from_json(found["written"]),
        found["columns"],
        1,
        file=name,
        encoding=found["encoding"],
        format=kind,
        spec=spec,
        date_cells=found["date_cells"],
    )
