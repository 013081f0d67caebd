"""Workbooks: their sheets as CSV. Runs inside the worker process (``worker.py``), never in ours.

Belongs here: opening a workbook of any kind and choosing its sheets. Does not belong here: what is done with
a sheet's cells (``sheet.py``), limits on memory and time (``worker.py``).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import ods_cells, xls_cells, xlsb_cells, xlsx_cells
from .archive import refuse_workbook_bomb
from .errors import ExportFault, did_you_mean, name_list
from .grid import GridSpec
from .markup import grids
from .number_formats import Ranges, Shown, Struck
from .sheet import Merged, Numbered, SheetRows, transposed, write_sheet
from .xlsx_cells import refuse_uncalculated

CONTAINER_HEAD = 1 << 20
SHOWN = {"xlsx": xlsx_cells.shown_texts, "xls": xls_cells.shown_texts}
MERGING = {  # calamine gives no merged cells of these
    "xlsb": xlsb_cells.shown_texts,
    "ods": ods_cells.shown_texts,
}
BROKEN = {
    "ZipError": "its zip is broken",
    "XmlError": "its XML is broken",
}  # calamine's own words may quote a cell


def read_workbook(path: str, kind: str, options: dict[str, Any], workdir: str) -> list[dict[str, Any]]:
    """Every wanted sheet written to ``workdir``, as ``SheetRows`` in JSON. Faults of all sheets are raised
    together."""
    spec = GridSpec(**options)
    sheets = _markup_sheets if kind in ("html", "spreadsheetml") else _calamine_sheets
    tables: list[SheetRows] = []
    faults: list[ExportFault] = []
    for name, place, rows, merged, struck in sheets(path, kind, spec):
        try:
            if spec.transposed:
                rows, merged, struck = transposed(rows, merged, struck)
            target = Path(workdir) / f"sheet_{len(tables)}.csv"
            tables.append(replace(write_sheet(rows, merged, spec, target, name, struck), place=place))
        except ExportFault as fault:
            faults.append(fault.at(sheet=name))
    if faults:
        raise faults[0].with_others(faults[1:])
    if not tables:
        raise ExportFault(
            "empty_file",
            sheet=spec.sheet,
            found="no visible sheet with cells" if spec.sheet is None else "a sheet without cells",
            expected="a header and rows",
            remedy="Ask for the file again, or name in `sheet` a sheet that is hidden.",
        )
    return [table.as_json() for table in tables]


def sheet_places(path: str, kind: str) -> list[tuple[str, int]]:
    """Every sheet of a workbook with its place in it, from 1."""
    if kind in ("html", "spreadsheetml"):
        return [(grid.name, number) for number, grid in enumerate(grids(path, kind, None), 1)]
    with _opened(path, kind) as workbook:
        return [(name, number) for number, name in enumerate(workbook.sheet_names, 1)]


def other_sheets(path: str, kind: str, known: list[str]) -> list[tuple[str, bool, int]]:
    """Sheets that hold cells and are not among ``known``, with their place and whether each is hidden."""
    if kind in ("html", "spreadsheetml"):
        return [
            (grid.name, False, number)
            for number, grid in enumerate(grids(path, kind, None), 1)
            if grid.name not in known
        ]
    with _opened(path, kind) as workbook:
        visible = _visible(workbook)
        return [
            (name, name not in visible, workbook.sheet_names.index(name) + 1)
            for name in _worksheets(workbook)
            if name not in known and workbook.get_sheet_by_name(name).start is not None
        ]


def _calamine_sheets(
    path: str, kind: str, spec: GridSpec
) -> Iterator[tuple[str, int, Numbered, Merged, Struck]]:
    with _opened(path, kind) as workbook:
        for name in _wanted(workbook.sheet_names, _visible(workbook), spec.sheet):
            if kind in ("xlsx", "ods"):
                refuse_uncalculated(path, kind, name)
            sheet = workbook.get_sheet_by_name(name)
            if sheet.start is not None:
                left = sheet.start[1]
                ranges: Ranges = dict(sheet.merged_cell_ranges or [])
                struck: Struck = set()
                if kind in MERGING:
                    shown = MERGING[kind](path, name, struck, ranges)
                else:
                    shown = SHOWN[kind](path, name, struck)
                merged = {
                    (r, c - left): (to_r, to_c - left) for (r, c), (to_r, to_c) in ranges.items() if c >= left
                }
                struck = {(row, column - left) for row, column in struck}
                yield (
                    name,
                    workbook.sheet_names.index(name) + 1,
                    _as_shown(enumerate(sheet.iter_rows()), shown, left),
                    merged,
                    struck,
                )


@contextmanager
def _opened(path: str, kind: str) -> Iterator[Any]:
    """The workbook as calamine opens it. If calamine fails in the block, its error becomes a fault."""
    import python_calamine as calamine

    refuse_workbook_bomb(path)
    if kind == "xls" and _is_encrypted_package(path):
        raise _encrypted()
    try:
        yield calamine.load_workbook(path)
    except calamine.PasswordError:
        raise _encrypted() from None
    except calamine.CalamineError as error:
        raise _unreadable(error) from None


def _worksheets(workbook: Any) -> list[str]:
    from python_calamine import SheetTypeEnum

    return [meta.name for meta in workbook.sheets_metadata if meta.typ == SheetTypeEnum.WorkSheet]


def _visible(workbook: Any) -> list[str]:
    from python_calamine import SheetVisibleEnum

    shown = {meta.name for meta in workbook.sheets_metadata if meta.visible == SheetVisibleEnum.Visible}
    return [name for name in _worksheets(workbook) if name in shown]


def _as_shown(numbered: Numbered, shown: Shown, left: int) -> Numbered:
    """The rows, whose first cell is in column ``left``, with the texts that calamine does not give."""
    for number, row in numbered:
        for column, text in shown.get(number, {}).items():
            if 0 <= column - left < len(row):
                row[column - left] = text
        yield number, row


def _markup_sheets(
    path: str, kind: str, spec: GridSpec
) -> Iterator[tuple[str, int, Numbered, Merged, Struck]]:
    found = {grid.name: grid for grid in grids(path, kind, spec.encoding)}
    for name in _wanted(list(found), list(found), spec.sheet):
        yield (
            name,
            list(found).index(name) + 1,
            found[name].numbered(),
            found[name].merged,
            found[name].struck,
        )


def _wanted(names: list[str], visible: list[str], pattern: str | None) -> list[str]:
    """Names of the sheets to read: the one named, those that match, or every visible worksheet."""
    if pattern is None:
        return visible
    found = [pattern] if pattern in names else [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        raise ExportFault(
            "missing_sheet",
            found=f'no sheet "{pattern}"; there are {name_list(names, kind="sheet")}',
            expected="the sheet that `sheet` names",
            remedy="Correct `sheet`, or ask for the full workbook." + did_you_mean(pattern, names, "sheet"),
        )
    return found


def _is_encrypted_package(path: str) -> bool:
    """Whether an XLSX has a password: it is then an old-style container around its encrypted content."""
    with open(path, "rb") as file:
        return "EncryptedPackage".encode("utf-16-le") in file.read(CONTAINER_HEAD)


def _encrypted() -> ExportFault:
    return ExportFault(
        "encrypted",
        found="a workbook with a password",
        expected="one that opens without",
        remedy="Ask for it without a password; send it over a protected channel instead.",
    )


def _unreadable(error: Exception) -> ExportFault:
    return ExportFault(
        "unreadable_workbook",
        found=f"a workbook that does not open ({BROKEN.get(type(error).__name__, 'its parts do not fit')})",
        expected="a complete XLSX, XLS, XLSB or ODS file",
        remedy="It is cut short or damaged; ask for it again.",
    )
