"""Formulas that were never calculated: a workbook written by a program holds the formula and no value.

Belongs here: finding the first, in XLSX and ODS, whose readers would give a blank. XLS and XLSB always store
a value. Does not belong here: calculating.
"""

from __future__ import annotations

import re
import zipfile
from xml.etree import ElementTree

from .errors import ExportFault

_CELL = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_REFERENCE = re.compile(rb'\br="([A-Z]+)(\d+)"')
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ODS_CELL = re.compile(rb"<table:table-cell\b[^>]*table:formula=[^>]*>")
OVERLAP = 16_384  # longest cell with a formula that is looked for across two pieces


def refuse_uncalculated(path: str, kind: str, sheet: str) -> None:
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
            sheet=sheet,
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
