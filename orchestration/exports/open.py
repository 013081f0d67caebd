"""Opening one file of a delivery, whatever it is, as our process sees it.

Every byte of a file is first looked at in the process with limits (``worker.py``): which kind of file it is,
what an archive holds, the whole of a text. Ours is told which tables there are, and reads only files of known
shape: what a reader wrote, or a delimited text in which the scan found every line to be a row.

Belongs here: what is asked of the worker. Does not belong here: reading (``inside.py``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import ExportFault
from .spec import ReadSpec
from .tables import SourceTable
from .worker import in_worker


def open_tables(path: Path, spec: ReadSpec, workdir: Path, name: str | None = None) -> list[SourceTable]:
    """The tables of one file: one per sheet, or per member of an archive, that ``spec`` asks for.

    ``name`` is the file's name in messages and in provenance; default: its own. ``workdir`` holds what must
    be rewritten so that DuckDB can read it. It is needed as long as a relation is used, holds what the file
    held (identifiers too), and the caller must remove it. Raises ``ExportFault``.
    """
    path = Path(path).absolute()
    name = name or path.name
    try:
        found = in_worker(
            "inside:read_tables",
            path=str(path),
            name=name,
            options=spec.model_dump(),
            workdir=tempfile.mkdtemp(dir=workdir),
        )
    except ExportFault as fault:
        raise (fault if fault.file else fault.at(file=name)) from None
    return [SourceTable.from_json(table) for table in found]


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
    left = in_worker(
        "inside:unread_parts",
        path=str(Path(path).absolute()),
        name=name,
        tables=[(table.file, table.format, table.sheet) for table in found],
        workdir=tempfile.mkdtemp(dir=workdir),
    )
    return [UnreadPart(*part) for part in left]


def names_of_members(path: Path) -> list[str]:
    """The files in a zip archive; none if the file is no archive or breaks a rule for archives."""
    try:
        return in_worker("inside:listed_members", path=str(Path(path).absolute()))
    except ExportFault:
        return []


def sheet_places(path: Path, name: str) -> list[tuple[str, int]]:
    """The sheets of a workbook with their places; none if the file is no workbook or does not open."""
    try:
        found = in_worker("inside:places_of_sheets", path=str(Path(path).absolute()), name=name)
    except ExportFault:
        return []
    return [(sheet, place) for sheet, place in found]


def shown_sheets(path: Path, name: str) -> list[str] | None:
    """The visible sheets with cells of a workbook; None of any other file."""
    return in_worker("inside:sheets_shown", path=str(Path(path).absolute()), name=name)
