"""Worksheets as rows of text. Runs inside the worker process (``worker.py``), never in ours.

Belongs here: what a person sees in a cell as text, merged cells, header rows, and the refusal of formulas
that were never calculated. Does not belong here: limits on memory and time (the worker sets them), SQL.

A number is written as a person reads it: a whole one without its `.0`, any other as the shortest text that
is that number. A date is ISO; its time follows when it has one. Merged cells: in the header a name counts
for every cell of its range, below it the value is filled down the range's first column.
"""

from __future__ import annotations

import csv
import datetime as dt
import fnmatch
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .errors import ExportFault, did_you_mean, name_list
from .tables import column_letter, joined_header

WHOLE = 1e15  # Excel keeps 15 digits; a longer number has lost its last ones
Merged = dict[tuple[int, int], tuple[int, int]]


def read_workbook(path: str, kind: str, options: dict[str, Any], workdir: str) -> list[dict[str, Any]]:
    """Every wanted sheet written as CSV to ``workdir``, and what the parent process needs to know of each."""
    import python_calamine as calamine

    try:
        workbook = calamine.load_workbook(path)
    except calamine.PasswordError:
        raise encrypted_workbook() from None
    except calamine.CalamineError as error:
        raise unreadable_workbook(error) from None
    tables = []
    for name in _wanted(workbook, options["sheet"]):
        try:
            if kind in ("xlsx", "ods"):
                _refuse_uncalculated(path, kind, name)
            sheet = workbook.get_sheet_by_name(name)
            table = _read_sheet(sheet, options, Path(workdir) / f"sheet_{len(tables)}.csv")
        except ExportFault as fault:
            raise fault.at(sheet=name) from None
        except calamine.CalamineError as error:
            raise unreadable_workbook(error).at(sheet=name) from None
        if table is not None:
            tables.append({"sheet": name, **table})
    if not tables:
        raise ExportFault(
            "empty_file",
            found="no sheet with cells",
            expected="a header and rows",
            remedy="Ask for the file again.",
            sheet=options["sheet"],
        )
    return tables


def encrypted_workbook() -> ExportFault:
    return ExportFault(
        "encrypted",
        found="a workbook with a password",
        expected="one that opens without",
        remedy="Ask for it without a password; send it over a protected channel instead.",
    )


def unreadable_workbook(error: Exception) -> ExportFault:
    return ExportFault(
        "unreadable_workbook",
        found=f"a workbook that does not open ({str(error)[:200]})",
        expected="a complete XLSX, XLS, XLSB or ODS file",
        remedy="It is cut short or damaged; ask for it again.",
    )


def _wanted(workbook: Any, pattern: str | None) -> list[str]:
    """Names of the sheets to read: the one named, those that match, or every visible worksheet."""
    names = list(workbook.sheet_names)
    if pattern is not None:
        found = (
            [pattern] if pattern in names else [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        )
        if not found:
            raise ExportFault(
                "missing_sheet",
                found=f'no sheet "{pattern}"; there are {name_list(names)}',
                expected="the sheet that `sheet` names",
                remedy="Correct `sheet`, or ask for the full workbook." + did_you_mean(pattern, names),
            )
        return found
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    return [
        meta.name
        for meta in workbook.sheets_metadata
        if meta.typ == SheetTypeEnum.WorkSheet and meta.visible == SheetVisibleEnum.Visible
    ]


def _read_sheet(sheet: Any, options: dict[str, Any], target: Path) -> dict[str, Any] | None:
    """One sheet as CSV with the row number first; None when it has no cells and was not asked for by name."""
    if sheet.start is None:
        if options["sheet"] is None:
            return None
        raise ExportFault(
            "empty_file",
            found="a sheet without cells",
            expected="a header and rows",
            remedy="Ask for it again.",
        )
    left = sheet.start[1]
    merged = _merged(sheet.merged_cell_ranges or [], left)
    numbered: Iterable[tuple[int, list[Any]]] = enumerate(sheet.iter_rows())
    if options["transposed"]:
        numbered, merged = _transposed(numbered, merged)
        left = 0
    return write_rows(numbered, merged, options, target, left)


def _transposed(
    numbered: Iterable[tuple[int, list[Any]]], merged: Merged
) -> tuple[list[tuple[int, list[Any]]], Merged]:
    rows = [row for _, row in numbered]
    turned = list(enumerate(list(column) for column in zip(*rows)))
    return turned, {(c, r): (to_c, to_r) for (r, c), (to_r, to_c) in merged.items()}


def _merged(ranges: Iterable[tuple[tuple[int, int], tuple[int, int]]], left: int) -> Merged:
    """First cell of each merged range to its last, columns counted from the sheet's first."""
    return {(r, c - left): (to_r, to_c - left) for (r, c), (to_r, to_c) in ranges if c >= left}


def write_rows(
    numbered: Iterable[tuple[int, list[Any]]],
    merged: Merged,
    options: dict[str, Any],
    target: Path,
    left: int,
) -> dict[str, Any] | None:
    """Header and rows of one sheet, ``numbered`` from 0 as they lie in it."""
    rows = iter(numbered)
    header, header_row, following = _header(rows, merged, options)
    if not header:
        raise ExportFault(
            "no_header",
            found="no text below the rows to skip",
            expected="a header",
            remedy="Correct `skip_rows`.",
        )
    count, line_ends, used = 0, False, set()
    lost: dict[int, list[int]] = {}
    fill: dict[int, tuple[int, str]] = {}  # column to (last row, value) of the merged range that covers it
    starts = {start for start in merged if start[0] >= header_row}
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        for number, row in following:
            if not any(cell != "" for cell in row):
                continue
            cells = [cell_text(cell) for cell in row]
            for i, cell in enumerate(row):
                if type(cell) is float and abs(cell) >= WHOLE:
                    lost.setdefault(i, []).append(number + 1)
                if (number, i) in starts:
                    fill[i] = (merged[number, i][0], cells[i])
                elif i in fill and not cells[i]:
                    last, value = fill[i]
                    if number <= last:
                        cells[i] = value
            line_ends = line_ends or any("\n" in cell or "\r" in cell for cell in cells)
            used.update(i for i, cell in enumerate(cells) if cell)
            writer.writerow([number + 1, *cells])
            count += 1
    return {
        "header": header,
        "header_row": header_row,
        "first_column": left,
        "path": str(target),
        "rows": count,
        "has_line_ends": line_ends,
        "used": sorted(used),
        "digits_lost": {str(i): [len(at), at[0]] for i, at in lost.items()},
    }


def _header(
    rows: Iterator[tuple[int, list[Any]]], merged: Merged, options: dict[str, Any]
) -> tuple[list[str], int, Iterator[tuple[int, list[Any]]]]:
    """Joined names, the header's first row (from 1), and the rows that follow it."""
    wanted, taken, first = options["header_rows"], [], 0
    for number, row in rows:
        if number < options["skip_rows"] or (not taken and not any(cell != "" for cell in row)):
            continue
        first = first or number + 1
        if wanted == 0:
            return [f"column_{i + 1}" for i in range(len(row))], first, _chained((number, row), rows)
        taken.append([cell_text(cell) for cell in row])
        if len(taken) == wanted:
            break
    for (r, c), (to_r, to_c) in merged.items():
        for i in range(r, to_r + 1):
            for j in range(c, to_c + 1):
                if 0 <= i - first + 1 < len(taken) and 0 <= r - first + 1 < len(taken) and j < len(taken[0]):
                    taken[i - first + 1][j] = taken[r - first + 1][c]
    return (joined_header(taken) if taken else []), first, rows


def _chained(
    first: tuple[int, list[Any]], rest: Iterator[tuple[int, list[Any]]]
) -> Iterator[tuple[int, list[Any]]]:
    yield first
    yield from rest


def cell_text(value: Any) -> str:
    """What a person sees in the cell."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, dt.datetime):
        if value.microsecond >= 999_500:
            value = (value + dt.timedelta(milliseconds=1)).replace(microsecond=0)
        precision = "milliseconds" if value.microsecond >= 500 else "seconds"
        return value.isoformat(sep=" ", timespec=precision)
    if isinstance(value, dt.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)


# -- formulas that were never calculated ----------------------------------------------------------------

_CELL = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_REFERENCE = re.compile(rb'\br="([A-Z]+)(\d+)"')
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ODS_CELL = re.compile(rb"<table:table-cell\b[^>]*table:formula=[^>]*>")
OVERLAP = 16_384  # longest cell with a formula that is looked for across two pieces


def _refuse_uncalculated(path: str, kind: str, sheet: str) -> None:
    """A formula without its value would be read as blank."""
    try:
        with zipfile.ZipFile(path) as archive:
            place = (
                _first_uncalculated(archive, sheet) if kind == "xlsx" else _first_uncalculated_ods(archive)
            )
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, EOFError):
        return  # calamine says what is wrong with the file
    if place is not None:
        row, column = place
        raise ExportFault(
            "formula_without_value",
            row=row,
            column=column,
            found="a formula that was never calculated",
            expected="a value in every cell",
            remedy="Open the workbook in a spreadsheet program, save it and send it again, "
            "or export values only.",
        )


def _first_uncalculated(archive: zipfile.ZipFile, sheet: str) -> tuple[int | None, str | None] | None:
    part = _sheet_part(archive, sheet)
    if part is None:
        return None
    with archive.open(part) as file:
        tail = b""
        while block := file.read(1 << 20):
            text = tail + block
            if b"<f" in text or b":f" in text:
                for match in _CELL.finditer(text):
                    if b't="str"' in match.group(1):
                        continue  # a formula whose value is empty text
                    place = _REFERENCE.search(match.group(1))
                    return (int(place.group(2)), place.group(1).decode()) if place else (None, None)
            tail = text[-OVERLAP:]
    return None


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Path inside the archive of the sheet's XML."""
    workbook = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for element in workbook.iter(f"{_MAIN}sheet"):
        if element.get("name") == sheet:
            target = targets.get(element.get(_LINK), "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return None


def _first_uncalculated_ods(archive: zipfile.ZipFile) -> tuple[None, None] | None:
    with archive.open("content.xml") as file:
        tail = b""
        while block := file.read(1 << 20):
            text = tail + block
            for match in _ODS_CELL.finditer(text):
                if b"office:value-type=" not in match.group():
                    return (None, None)
            tail = text[-OVERLAP:]
    return None


def letters(first: int, index: int) -> str:
    """Letter of the column at ``index`` of a table that begins at column ``first``."""
    return column_letter(first + index)
