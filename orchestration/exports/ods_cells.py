"""What calamine does not report of a cell of an ODS workbook: errors, what number formats show, raised and
struck text.

Belongs here: reading the XML of a sheet, which holds the styles, and the text that a person sees beside the
value. Does not belong here: other values, what a number format means (`number_formats.py`).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from .cells import Formatted
from .number_formats import Format, Ranges, Shown, Struck, percentage, raised

OFFICE, TABLE, TEXT, CALC, STYLE, NUMBER = (
    f"{{urn:{owner}:xmlns:{name}:1.0}}"
    for owner, name in (
        ("oasis:names:tc:opendocument", "office"),
        ("oasis:names:tc:opendocument", "table"),
        ("oasis:names:tc:opendocument", "text"),
        ("org:documentfoundation:names:experimental:calc", "calcext"),
        ("oasis:names:tc:opendocument", "style"),
        ("oasis:names:tc:opendocument", "datastyle"),
    )
)
CELLS = (f"{TABLE}table-cell", f"{TABLE}covered-table-cell")
DATA_STYLES = {
    f"{NUMBER}{name}-style"
    for name in ("number", "percentage", "currency", "text", "date", "time", "boolean")
}
PADDED = re.compile(r"0\d+")
LITERAL_AROUND = re.compile(
    r"(?P<before>[^\d+-]*)(?P<number>[+-]?\d(?:[\d.,'\u00a0\u202f ]*\d)?)(?P<after>\D*)"
)
CONDITION = re.compile(r"value\(\)\s*(!=|[<>=]+)\s*(-?[\d.]+)")


@dataclass
class Styles:
    """Of the styles by name: number formats as codes, the parent, and whether text is struck or raised."""

    codes: dict[str, str] = field(default_factory=dict)
    data_style: dict[str, str] = field(default_factory=dict)  # cell style to the number format's name
    parent: dict[str, str] = field(default_factory=dict)
    is_struck: dict[str, bool] = field(default_factory=dict)
    is_raised: dict[str, bool] = field(default_factory=dict)
    formats: dict[str, Format] = field(default_factory=dict)

    def add(self, element: ElementTree.Element) -> None:
        name = element.get(f"{STYLE}name", "")
        if element.tag in DATA_STYLES:
            self.codes[name] = _code(element)
        elif element.tag == f"{STYLE}style":
            self.parent[name] = element.get(f"{STYLE}parent-style-name", "")
            if data := element.get(f"{STYLE}data-style-name"):
                self.data_style[name] = data
            for text in element.iter(f"{STYLE}text-properties"):
                if line := text.get(f"{STYLE}text-line-through-style") or text.get(
                    f"{STYLE}text-line-through-type"
                ):
                    self.is_struck[name] = line != "none"
                if position := text.get(f"{STYLE}text-position"):
                    first = position.split()[0]
                    self.is_raised[name] = first == "super" or bool(re.fullmatch(r"[1-9][\d.]*%", first))

    def _inherited(self, of: dict[str, Any], name: str) -> Any:
        for _ in range(10):  # parents that form a circle give no style
            if name in of:
                return of[name]
            name = self.parent.get(name, "")
        return None

    def strikes(self, name: str) -> bool:
        return bool(self._inherited(self.is_struck, name))

    def raises(self, name: str) -> bool:
        return bool(self._inherited(self.is_raised, name))

    def format(self, name: str) -> Format | None:
        data = self._inherited(self.data_style, name)
        if data is None or data not in self.codes:
            return None
        if data not in self.formats:
            self.formats[data] = Format.of(self._whole(data))
        return self.formats[data]

    def _whole(self, data: str) -> str:
        """The code with what `style:map` puts in its place where a condition holds."""
        own, _, maps = self.codes[data].partition("\0")
        pairs = [pair.split("\1") for pair in maps.split("\0") if pair]
        conditional = [
            f"[{sign.replace('!=', '<>')}{value}]{self.codes[other].partition(chr(0))[0]}"
            for condition, other in pairs
            if other in self.codes
            for sign, value in CONDITION.findall(condition)
        ]
        return ";".join([*conditional, own])


def _code(style: ElementTree.Element) -> str:
    """A number format as the code that other workbooks have, and after NUL its conditional variants."""
    parts, maps = [], []
    for child in style:
        name = child.tag.removeprefix(NUMBER)
        text = "".join(child.itertext())
        if child.tag == f"{STYLE}map":
            maps.append(f"{child.get(f'{STYLE}condition', '')}\1{child.get(f'{STYLE}apply-style-name', '')}")
        elif name in ("text", "currency-symbol"):
            is_percent = style.tag == f"{NUMBER}percentage-style" and text.strip() == "%"
            parts.append("%" if is_percent else '"' + text.replace('"', "") + '"' if text else "")
        elif name == "number":
            decimals = int(child.get(f"{NUMBER}decimal-places", 0) or 0)
            least = int(child.get(f"{NUMBER}min-decimal-places", decimals) or 0)
            whole = int(child.get(f"{NUMBER}min-integer-digits", 1) or 0)
            parts.append("0" * whole or "#")
            parts.append("." + "0" * least + "#" * (decimals - least) if decimals else "")
        elif name == "text-content":
            parts.append("@")
        elif child.tag.startswith(NUMBER):
            parts.append("y")  # of a date or a time; a fraction or a power of ten: the number itself is read
    return "\0".join(["".join(parts), *maps])


def shown_texts(path: str, sheet: str, struck: Struck | None = None, merged: Ranges | None = None) -> Shown:
    """Texts by row and column of ``sheet``; nothing where the XML does not parse, which calamine reports.

    The places of cells that are struck out, or have text in them that is, are added to ``struck``, the ranges
    of merged cells to ``merged``.
    """
    found: Shown = {}
    struck = set() if struck is None else struck
    merged = {} if merged is None else merged
    try:
        with zipfile.ZipFile(path) as archive:
            styles = Styles()
            if "styles.xml" in archive.namelist():
                with archive.open("styles.xml") as file:
                    _read_styles(file, styles)
            with archive.open("content.xml") as file:
                for row, column, text, is_struck in _cells(file, sheet, styles, merged):
                    if text is not None:
                        found.setdefault(row, {})[column] = text
                    if is_struck:
                        struck.add((row, column))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, EOFError, ValueError):
        return {}
    return found


def _read_styles(file: Any, styles: Styles) -> None:
    for _, element in ElementTree.iterparse(file):
        if element.tag in DATA_STYLES or element.tag == f"{STYLE}style":
            styles.add(element)


def _cells(
    file: Any, sheet: str, styles: Styles, merged: Ranges
) -> Iterator[tuple[int, int, str | None, bool]]:
    is_wanted = False
    row = column = 0
    of_row: list[tuple[int, int, str | None, bool]] = []
    of_columns: list[tuple[int, str]] = []  # how many columns have which style
    for event, element in ElementTree.iterparse(file, events=("start", "end")):
        if event == "start":
            if element.tag == f"{TABLE}table":
                is_wanted, row, of_columns = element.get(f"{TABLE}name") == sheet, 0, []
            elif element.tag == f"{TABLE}table-row":
                column, of_row, row_style = 0, [], element.get(f"{TABLE}default-cell-style-name", "")
        elif element.tag in DATA_STYLES or element.tag == f"{STYLE}style":
            styles.add(element)
        elif element.tag == f"{TABLE}table-column" and is_wanted:
            times = int(element.get(f"{TABLE}number-columns-repeated", 1))
            of_columns.append((times, element.get(f"{TABLE}default-cell-style-name", "")))
        elif element.tag in CELLS:
            times = int(element.get(f"{TABLE}number-columns-repeated", 1))
            if is_wanted and (len(element) or element.get(f"{OFFICE}value")):
                name = element.get(f"{TABLE}style-name") or row_style or _of_column(of_columns, column)
                text, is_struck = _shown(element, name, styles)
                if text is not None or is_struck:
                    of_row.append((column, times, text, is_struck))
            if is_wanted:
                down = int(element.get(f"{TABLE}number-rows-spanned", 1))
                across = int(element.get(f"{TABLE}number-columns-spanned", 1))
                if down > 1 or across > 1:
                    merged[row, column] = (row + down - 1, column + across - 1)
            column += times
            element.clear()
        elif element.tag == f"{TABLE}table-row":
            times = int(element.get(f"{TABLE}number-rows-repeated", 1))
            for at in range(row, row + times) if of_row else ():
                yield from (
                    (at, first + i, text, is_struck) for first, n, text, is_struck in of_row for i in range(n)
                )
            row += times
            element.clear()


def _of_column(styles: list[tuple[int, str]], column: int) -> str:
    for times, name in styles:
        if column < times:
            return name
        column -= times
    return ""


def _shown(cell: ElementTree.Element, style: str, styles: Styles) -> tuple[str | None, bool]:
    """What a person sees, where it is not the value, and whether any of it is struck out."""
    kind, value = cell.get(f"{OFFICE}value-type"), cell.get(f"{OFFICE}value")
    paragraphs = cell.findall(f"{TEXT}p")
    text = "".join("".join(p.itertext()) for p in paragraphs)
    spans = [span for p in paragraphs for span in p.iter(f"{TEXT}span")]
    is_struck = styles.strikes(style) or any(
        styles.strikes(span.get(f"{TEXT}style-name", "")) and "".join(span.itertext()).strip()
        for span in spans
    )
    if cell.get(f"{CALC}value-type") == "error":
        return text, is_struck
    if kind in ("float", "percentage", "currency") and value is not None:
        return _number(float(value), kind, text, styles.format(style)), is_struck
    if kind in (None, "string") and spans:
        return _partly_raised(paragraphs, styles), is_struck
    return None, is_struck


def _number(value: float, kind: str, text: str, format: Format | None) -> str | None:
    """A number as its format shows it; if the format says nothing, as the program's text beside the value
    shows it.
    """
    if format is not None and (shown := format.text(value)) is not None:
        return shown
    if kind == "percentage":
        return percentage(value)
    if PADDED.fullmatch(text) and float(text) == value:
        return text
    around = LITERAL_AROUND.fullmatch(text.strip())
    if (
        format is None
        and around
        and (around["before"] or around["after"])
        and re.fullmatch(r"[+-]?[\d.,]+", around["number"])
    ):
        plain = around["number"].replace(",", ".")
        if plain.count(".") == 1 and abs(float(plain) - value) > 0.5 * 0.1 ** len(plain.partition(".")[2]):
            return Formatted.of(
                around["before"], plain, around["after"]
            )  # the number is written by the format too
        before, after = (f'"{part}"' if part else "" for part in (around["before"], around["after"]))
        return Format.of(f"{before}0{_shown_decimals(around['number'], value)}{after}").text(value)
    return None


def _shown_decimals(text: str, value: float) -> str:
    """The decimals that a text shows of a number, in the form of a format; none if it is rounded or has
    thousands separators.
    """
    plain = text.strip().replace(",", ".")
    is_the_number = (
        plain.count(".") == 1 and plain.replace(".", "").lstrip("+-").isdecimal() and float(plain) == value
    )
    return "." + "0" * len(plain.partition(".")[2]) if is_the_number else ""


def _partly_raised(paragraphs: list[ElementTree.Element], styles: Styles) -> str | None:
    """The text, its raised part in raised characters; None where none, or all of it, is raised."""
    pieces = [piece for p in paragraphs for piece in _pieces(p, False, styles)]
    if len({is_raised for text, is_raised in pieces if text}) < 2:
        return None
    return "".join(raised(text) if is_raised else text for text, is_raised in pieces)


def _pieces(element: ElementTree.Element, is_raised: bool, styles: Styles) -> Iterator[tuple[str, bool]]:
    yield element.text or "", is_raised
    for child in element:
        if child.tag == f"{TEXT}s":
            yield " " * int(child.get(f"{TEXT}c", 1)), is_raised
        else:
            own = child.tag == f"{TEXT}span" and styles.raises(child.get(f"{TEXT}style-name", ""))
            yield from _pieces(child, is_raised or own, styles)
        yield child.tail or "", is_raised
