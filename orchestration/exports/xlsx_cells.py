"""What calamine does not report of a cell: a formula that was never calculated, an error value, what the
number format shows beside the number, raised text, struck text.

Belongs here: reading the XML of XLSX for these, and of ODS for the first; XLS and XLSB always store a
formula's value. Does not belong here: values, what a number format means (`number_formats.py`).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

from .errors import ExportFault
from .number_formats import CellStyles, Shown, Struck, raised

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
CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*\bs=[^>]*[^/>])>")  # one that holds something
SHARED = re.compile(rb"<(?:\w+:)?c\b([^>]*\bt=[\"']s[\"'][^>]*)>\s*<(?:\w+:)?v>(\d+)</")
INLINE = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*(<(?:(\w+):)?is\b(?:(?!</(?:\w+:)?is>).)*</(?:\w+:)?is>)", re.DOTALL
)
RICH = re.compile(rb"vertAlign|strike")
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
IS_TEXT = re.compile(rb"\bt=[\"']str[\"']")
ODS_FORMULA = re.compile(rb"<table:table-cell\b[^>]*table:formula=[^>]*>")


def refuse_uncalculated(path: str, kind: str, sheet: str) -> None:
    """Refuse a formula without its value, because it would be read as blank."""
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


def shown_texts(path: str, sheet: str, struck: Struck | None = None) -> Shown:
    """Text of error cells (``#DIV/0!``), of numbers whose format shows more than a number (0.45 shown as 45%
    is ``45%``, ``"<"0.00`` shows ``<0.10``), and of texts a part of which is raised (``10⁹/L``), by row and
    column.

    The places of cells that are struck out, or have text in them that is, are added to ``struck``.
    """
    found: Shown = {}
    struck = set() if struck is None else struck
    styles = _styles(path)
    rich = _rich_strings(path)
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
        if rich:
            for match in SHARED.finditer(piece):
                if (string := rich.get(int(match.group(2)))) is not None:
                    _note_rich(found, struck, match.group(1), string)
        if b"vertAlign" in piece or b"strike" in piece:
            for match in INLINE.finditer(piece):
                if (
                    RICH.search(match.group(2))
                    and (string := _rich(_parsed(match.group(2), match.group(3)))) is not None
                ):
                    _note_rich(found, struck, match.group(1), string)
        if styles.struck:
            for match in CELL.finditer(piece):
                style, place = STYLE.search(match.group(1)), REFERENCE.search(match.group(1))
                if style and place and int(style.group(1)) in styles.struck:
                    struck.add((int(place.group(2)) - 1, _column_number(place.group(1))))
    return found


def _note(found: Shown, attributes: bytes, text: str) -> None:
    if place := REFERENCE.search(attributes):
        found.setdefault(int(place.group(2)) - 1, {})[_column_number(place.group(1))] = text


def _note_rich(found: Shown, struck: Struck, attributes: bytes, string: tuple[str | None, bool]) -> None:
    text, is_struck = string
    if text is not None:
        _note(found, attributes, text)
    if is_struck and (place := REFERENCE.search(attributes)):
        struck.add((int(place.group(2)) - 1, _column_number(place.group(1))))


def _rich_strings(path: str) -> dict[int, tuple[str | None, bool]]:
    """Of the shared strings that are formatted in part: the text where some of it is raised, and whether some
    is struck.
    """
    found: dict[int, tuple[str | None, bool]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            if not any(RICH.search(piece) for piece in _pieces(path, "xl/sharedStrings.xml")):
                return {}
            with archive.open("xl/sharedStrings.xml") as file:
                number = 0
                for _, element in ElementTree.iterparse(file):
                    if _local(element.tag) == "si":
                        if (string := _rich(element)) is not None:
                            found[number] = string
                        number += 1
                        element.clear()
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, EOFError):
        return {}
    return found


def _parsed(xml: bytes, prefix: bytes | None) -> ElementTree.Element | None:
    """An element cut out of a part, whose namespace was declared further up."""
    name = f"xmlns:{prefix.decode()}" if prefix else "xmlns"
    opened = xml.replace(b">", f' {name}="{NAMESPACE}">'.encode(), 1)
    try:
        return ElementTree.fromstring(opened)
    except ElementTree.ParseError:
        return None


def _rich(string: ElementTree.Element | None) -> tuple[str | None, bool] | None:
    """What ``_rich_strings`` tells of one string; None where nothing of it is raised or struck."""
    if string is None:
        return None
    parts, raised_parts, is_struck = [], 0, False
    for child in string:
        if _local(child.tag) == "t":
            parts.append(child.text or "")
        if _local(child.tag) != "r":
            continue  # what is read aloud (phonetic runs) is not shown
        text = "".join(t.text or "" for t in child if _local(t.tag) == "t")
        marks = {
            _local(mark.tag): mark.get("val") for run in child if _local(run.tag) == "rPr" for mark in run
        }
        is_struck = is_struck or ("strike" in marks and _is_on(marks["strike"]) and bool(text.strip()))
        is_raised = marks.get("vertAlign") == "superscript"
        raised_parts += is_raised
        parts.append(raised(text) if is_raised else text)
    is_partly_raised = 0 < raised_parts < len(parts)
    return (
        ("".join(parts) if is_partly_raised else None, is_struck) if is_partly_raised or is_struck else None
    )


def _is_on(value: str | None) -> bool:
    return value not in ("0", "false", "off")


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
    groups = {_local(element.tag): element for element in styles}
    struck_fonts = {
        i
        for i, font in enumerate(groups.get("fonts", []))
        if any(_local(mark.tag) == "strike" and _is_on(mark.get("val")) for mark in font)
    }
    cells = list(groups.get("cellXfs", []))
    struck = frozenset(i for i, xf in enumerate(cells) if int(xf.get("fontId", 0)) in struck_fonts)
    return CellStyles.of(formats, [int(xf.get("numFmtId", 0)) for xf in cells], struck)


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
