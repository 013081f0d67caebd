"""What calamine does not tell of a cell of an ODS workbook: errors, leading zeros, percentages.

Belongs here: a look at the XML of a sheet, which holds the text that a person sees beside the value.
Does not belong here: other values.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from .number_formats import Shown, percentage

OFFICE, TABLE, TEXT, CALC = (
    f"{{urn:{owner}:xmlns:{name}:1.0}}"
    for owner, name in (
        ("oasis:names:tc:opendocument", "office"), ("oasis:names:tc:opendocument", "table"),
        ("oasis:names:tc:opendocument", "text"), ("org:documentfoundation:names:experimental:calc", "calcext"),
    )
)
CELLS = (f"{TABLE}table-cell", f"{TABLE}covered-table-cell")
PADDED = re.compile(r"0\d+")


def shown_texts(path: str, sheet: str) -> Shown:
    """Texts by row and column of ``sheet``; nothing where the XML does not parse, of which calamine speaks."""
    found: Shown = {}
    try:
        with zipfile.ZipFile(path) as archive, archive.open("content.xml") as file:
            for row, column, text in _cells(file, sheet):
                found.setdefault(row, {})[column] = text
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, EOFError, ValueError):
        return {}
    return found


def _cells(file: Any, sheet: str) -> Iterator[tuple[int, int, str]]:
    is_wanted = False
    row = column = 0
    of_row: list[tuple[int, int, str]] = []
    for event, element in ElementTree.iterparse(file, events=("start", "end")):
        if event == "start":
            if element.tag == f"{TABLE}table":
                is_wanted, row = element.get(f"{TABLE}name") == sheet, 0
            elif element.tag == f"{TABLE}table-row":
                column, of_row = 0, []
        elif element.tag in CELLS:
            times = int(element.get(f"{TABLE}number-columns-repeated", 1))
            if is_wanted and (text := _shown(element)) is not None:
                of_row.append((column, times, text))
            column += times
            element.clear()
        elif element.tag == f"{TABLE}table-row":
            times = int(element.get(f"{TABLE}number-rows-repeated", 1))
            for at in range(row, row + times) if of_row else ():
                yield from ((at, first + i, text) for first, n, text in of_row for i in range(n))
            row += times
            element.clear()


def _shown(cell: ElementTree.Element) -> str | None:
    kind, value = cell.get(f"{OFFICE}value-type"), cell.get(f"{OFFICE}value")
    if cell.get(f"{CALC}value-type") == "error":
        return "".join("".join(p.itertext()) for p in cell.findall(f"{TEXT}p"))
    if kind == "percentage" and value is not None:
        return percentage(float(value))
    if kind == "float" and value is not None:
        text = "".join("".join(p.itertext()) for p in cell.findall(f"{TEXT}p"))
        if PADDED.fullmatch(text) and float(text) == float(value):
            return text
    return None
