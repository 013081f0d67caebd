"""Reading one file of a delivery, whatever it is. Runs inside the worker process (``worker.py``), never in
ours.

Belongs here: choosing the reader, unpacking first where needed, and naming the file in every fault. Does not
belong here: any reader; what our process sees of all this (``open.py``).
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from .archive import ARCHIVES, member_names, unpacked
from .columns import BLANKS
from .errors import ExportFault
from .formats import BY_ID, SHEETED
from .kinds import kind_of
from .rows import Written
from .sheet import SheetRows
from .spec import ReadSpec
from .tables import Finding, SourceTable, written_table
from .workbook import other_sheets, read_workbook
from .workbook import sheet_places as workbook_places

DEEPEST = 2  # a compressed file in a zip; not a zip in a zip


def read_tables(path: str, name: str, options: dict[str, Any], workdir: str) -> list[dict[str, Any]]:
    """What ``open_tables`` returns, in JSON."""
    tables = _tables(Path(path), name, ReadSpec(**options), Path(workdir), 0)
    return [table.as_json() for table in tables]


def unread_parts(
    path: str, name: str, tables: list[tuple[str, str, str | None]], workdir: str
) -> list[tuple[str | None, str | None, bool, int | None]]:
    """What ``left_unread`` returns, in JSON."""
    kind = kind_of(Path(path), name, ReadSpec())
    left: list[tuple[str | None, str | None, bool, int | None]] = []
    if kind == "zip":
        read = {file.removeprefix(f"{name}/") for file, _, _ in tables}
        left = [(member, None, False, None) for member in member_names(Path(path)) if member not in read]
    for file, book_kind in dict.fromkeys((file, form) for file, form, _ in tables if form in SHEETED):
        member = file.removeprefix(f"{name}/") if kind == "zip" else None
        known = [sheet for other, _, sheet in tables if other == file and sheet is not None]
        book = Path(path)
        if kind in ARCHIVES:
            wanted = glob.escape(member) if member else None
            [(book, _)] = unpacked(Path(path), kind, wanted, Path(tempfile.mkdtemp(dir=workdir)))
        left += [(member, *other) for other in other_sheets(str(book), book_kind, known)]
    return left


def listed_members(path: str) -> list[str]:
    """The files in a zip archive."""
    return member_names(Path(path))


def places_of_sheets(path: str, name: str) -> list[tuple[str, int]]:
    """The sheets of a workbook with their places; none of any other file."""
    kind = kind_of(Path(path), name, ReadSpec())
    return workbook_places(path, kind) if kind in SHEETED else []


def sheets_shown(path: str, name: str) -> list[str] | None:
    """The visible sheets with cells of a workbook; None of any other file."""
    kind = kind_of(Path(path), name, ReadSpec()) if Path(path).stat().st_size else ""
    if kind not in SHEETED:
        return None
    return [sheet for sheet, is_hidden, _ in other_sheets(path, kind, []) if not is_hidden]


def _tables(path: Path, name: str, spec: ReadSpec, workdir: Path, depth: int) -> Iterator[SourceTable]:
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
        yield from _archive(path, name, kind, spec, workdir, depth)
    else:
        yield from _read(path, name, kind, spec, workdir)


def _read(path: Path, name: str, kind: str, spec: ReadSpec, workdir: Path) -> Iterator[SourceTable]:
    """The tables that the declared reader of the format gives (`formats.py`), told what it asks for."""
    module, _, function = BY_ID[kind].reader.partition(":")
    reader = getattr(import_module(f".{module}", __package__), function)
    known = {
        "path": path, "name": name, "kind": kind, "spec": spec, "workdir": workdir,
    }  # fmt: skip
    found = reader(**{asked: known[asked] for asked in signature(reader).parameters})
    yield from [found] if isinstance(found, SourceTable) else found


def _archive(
    path: Path,
    name: str,
    kind: str,
    spec: ReadSpec,
    workdir: Path,
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
            for table in _tables(file, seen_as, spec, inner, depth + 1):
                yield replace(table, file=full_name)
        except ExportFault as fault:
            faults.append(fault.at(file=full_name))
    if faults:
        raise faults[0].with_others(faults[1:])


def read_sheets(path: Path, name: str, kind: str, spec: ReadSpec, workdir: Path) -> Iterator[SourceTable]:
    """A table for each sheet that ``spec`` asks for."""
    found = read_workbook(str(path), kind, asdict(spec.grid()), str(workdir))
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
    from .statistics_file import read_statistics_file  # it imports pandas, which few files need

    found = read_statistics_file(
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
