"""What calamine does not tell of a cell: that its formula was never calculated, that its value is an error, or
that its number is shown with leading zeros or as a percentage.

Belongs here: a look at the XML of XLSX for these, and of ODS for the first; XLS and XLSB always store a formula's value.
Does not belong here: values.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from .errors import ExportFault
from .number_formats import CellStyles, Shown

PIECE, OVERLAP = 1 << 20, 16_384  # bytes; the overlap holds the longest cell that is looked for
UNCALCULATED = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
ERROR = re.compile(
    rb"<(?:\w+:)?c\b([^>]*\bt=[\"']e[\"'][^>]*)>(?:<(?:\w+:)?f\b[^>]*/>|<(?:\w+:)?f\b[^>]*>[^<]*</(?:\w+:)?f>)?"
    rb"\s*<(?:\w+:)?v>([^<]+)</"
)
NUMBER = re.compile(
    rb"<(?:\w+:)?c\b([^>]*\bs=[^>]*)>(?:<(?:\w+:)?f\b[^>]*>[^<]*</(?:\w+:)?f>)?<(?:\w+:)?v>([^<]+)</"
)
STYLE = re.compile(rb"\bs=[\"'](\d+)[\"']")
REFERENCE = re.compile(rb"\br=[\"']([A-Z]{1,3})(\d+)[\"']")
IS_WORD = re.compile(rb"\bt=[\"'](?:s|str|b|e|d|inlineStr)[\"']")  # of a cell that holds no number
IS_TEXT = re.compile(rb"\bt=[\"']str[\"']")
ODS_FORMULA = re.compile(rb"<table:table-cell\b[^>]*table:formula=[^>]*>")


def refuse_uncalculated(path: str, kind: str, sheet: str) -> None:
    """A formula without its value would be read as blank."""
    find = _first_uncalculated if kind == "xlsx" else _first_uncalculated_ods
    place = find(path, sheet)
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


def shown_texts(path: str, sheet: str) -> Shown:
    """Text of error cells (``#DIV/0!``) and of numbers shown with leading zeros or as a percentage (0.45 shown as
    45% is ``45%``), by row and column."""
    found: Shown = {}
    styles = _styles(path)
    for piece in _sheet_pieces(path, sheet):
        if b'"e"' in piece or b"'e'" in piece:
            for match in ERROR.finditer(piece):
                _note(found, match.group(1), match.group(2).decode("utf-8", "replace"))
        if styles:
            for match in NUMBER.finditer(piece):
                style = STYLE.search(match.group(1))
                if style and int(style.group(1)) in styles and not IS_WORD.search(match.group(1)):
                    text = styles.text(int(style.group(1)), float(match.group(2)))
                    if text is not None:
                        _note(found, match.group(1), text)
    return found


def _note(found: Shown, attributes: bytes, text: str) -> None:
    if place := REFERENCE.search(attributes):
        found.setdefault(int(place.group(2)) - 1, {})[_column_number(place.group(1))] = text


def _styles(path: str) -> CellStyles:
    try:
        with zipfile.ZipFile(path) as archive:
            styles = ElementTree.fromstring(archive.read("xl/styles.xml"))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, EOFError):
        return CellStyles.of({}, [])
    formats = {
        int(element.get("numFmtId", -1)): element.get("formatCode", "")
        for element in styles.iter()
        if _local(element.tag) == "numFmt"
    }
    cells: Iterable[ElementTree.Element] = next((element for element in styles if _local(element.tag) == "cellXfs"), [])
    return CellStyles.of(formats, [int(xf.get("numFmtId", 0)) for xf in cells])


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _column_number(letters: bytes) -> int:
    """0 for A."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _first_uncalculated(path: str, sheet: str) -> tuple[int | None, str | None] | None:
    for piece in _sheet_pieces(path, sheet):
        if b"<f" not in piece and b":f" not in piece:
            continue
        for match in UNCALCULATED.finditer(piece):
            if IS_TEXT.search(match.group(1)):
                continue  # a formula whose value is empty text
            place = REFERENCE.search(match.group(1))
            return (int(place.group(2)), place.group(1).decode()) if place else (None, None)
    return None


def _first_uncalculated_ods(path: str, _: str) -> tuple[None, None] | None:
    for piece in _pieces(path, "content.xml"):
        for match in ODS_FORMULA.finditer(piece):
            if b"office:value-type=" not in match.group():
                return (None, None)
    return None


def _sheet_pieces(path: str, sheet: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            part = _sheet_part(archive, sheet)
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, EOFError):
        return  # calamine says what is wrong with the file
    if part is not None:
        yield from _pieces(path, part)


def _pieces(path: str, part: str) -> Iterator[bytes]:
    """The part's text, each piece beginning with the end of the one before."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(part) as file:
            tail = b""
            while block := file.read(PIECE):
                yield tail + block
                tail = (tail + block)[-OVERLAP:]
    except (zipfile.BadZipFile, KeyError, EOFError):
        return


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Path inside the archive of the sheet's XML."""
    workbook = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for element in workbook.iter():
        if _local(element.tag) == "sheet" and element.get("name") == sheet:
            link = next((value for key, value in element.items() if _local(key) == "id"), None)
            target = targets.get(link, "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return None
