"""The query list: a workbook that a hospital's data manager answers.

One row is one question: the place of the row in the hospital's own file, what was found there, what was
expected, and cells for the answer. Each row carries a seal made with the registry's pseudonym key, so that an
answer is never taken for the answer to another question. The list holds patients' values and goes back to
where they came from: only its owner can read it. Belongs here: layout, wording, seals. Does not belong here:
what is asked (`finding.py`), reading the answers (`answered_list.py`), what they become (`answers.py`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill, Protection
from openpyxl.worksheet.datavalidation import DataValidation

from orchestration.files import write_atomically

if TYPE_CHECKING:
    from orchestration.queries.query import Query

LAYOUT = "myositis query list 1"
QUESTIONS, README, ORIGIN = "Queries", "Read me", "Origin"


class Choice(Enum):
    """What a hospital can answer."""

    VALUE = "right value:"
    RIGHT = "right as it is"
    REMOVE = "remove this row"
    UNKNOWN = "wrong and not known"
    SENT_AGAIN = "will be sent again"


COLUMNS = (  # header, width, field of Query, does the hospital write here?, is it shown?
    ("No", 6, None, False, True),
    ("Delivery", 14, "delivery", False, True),
    ("File", 28, "file", False, True),
    ("Sheet", 14, "sheet", False, True),
    ("Row", 8, "row", False, True),
    ("Column", 22, "column", False, True),
    ("Test or event", 22, "item", False, True),
    ("Date in your file", 16, "day", False, True),
    ("Found", 20, "found", False, True),
    ("What was expected", 44, "expected", False, True),
    ("Your answer", 26, "answer", True, True),
    ("Right value, as your file would write it", 26, "value", True, True),
    ("Remark (stays in this file)", 30, "remark", True, True),
    ("id", 14, "query_id", False, False),
    ("kind", 14, "kind", False, False),
    ("entity", 14, "entity", False, False),
    ("field", 14, "field", False, False),
    ("cell", 14, "source_column", False, False),
    ("seal", 34, None, False, False),
)
HEADERS = [c[0] for c in COLUMNS]
SEALED = (
    "delivery",
    "file",
    "sheet",
    "row",
    "column",
    "found",
    "expected",
    "query_id",
    "kind",
    "entity",
    "field",
    "source_column",
)
EXPLANATION = (
    'Each row of the sheet "Queries" is a question on one cell, or one row, of a file that you sent us.',
    "File, sheet and row say where it stands in your file (row 1 is the first line). Patients are named by "
    "nothing else here: please look them up in your own file.",
    "Please look at the original record, and choose an answer:",
    f'  "{Choice.VALUE.value}"  and write the right value beside it, as your file writes such values (same '
    "unit, same date format).",
    f'  "{Choice.RIGHT.value}"  the value is right although it looks odd.',
    f'  "{Choice.REMOVE.value}"  the whole row should not have been sent (a test patient, a double entry, '
    "another patient's sample).",
    f'  "{Choice.UNKNOWN.value}"  the value is wrong and nobody can say what is right.',
    f'  "{Choice.SENT_AGAIN.value}"  you will correct your system and send the row in your next delivery.',
    "Leave the answer empty where you do not know yet; the question will come again.",
    "Please write no names, identity numbers, telephone numbers or addresses into this file, and change "
    "nothing but the yellow cells.",
    "Rows may be sorted, filtered or deleted. Please send the file back as .xlsx, in the way in which you "
    "received it.",
)


@dataclass(frozen=True)
class Seal:
    """Keyed hashes over a list's origin and over each question; only this registry can make them."""

    key: bytes
    registry: str
    hospital: str

    def of(self, *parts: object) -> str:
        text = "\x1f".join(
            ["query list", self.registry, self.hospital, *("" if p is None else str(p) for p in parts)]
        )
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:32]


def write(path: Path, seal: Seal, queries: Sequence[Query], today: date) -> None:
    """Write the list in one rename, readable by its owner alone."""
    book = Workbook()
    _explain(book.active, seal, len(queries), today)
    _ask(book.create_sheet(QUESTIONS), seal, queries)
    _say_origin(book.create_sheet(ORIGIN), seal, today)
    book.active = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    content = BytesIO()
    book.save(content)
    write_atomically(path, content.getvalue(), durable=True, mode=0o600)


def _explain(sheet: Any, seal: Seal, n: int, today: date) -> None:
    sheet.title = README
    sheet.column_dimensions["A"].width = 120
    lines = (
        f'Questions of the registry "{seal.registry}" to {seal.hospital}, {today}: {n}',
        "",
        *EXPLANATION,
    )
    for number, line in enumerate(lines, 1):
        _text(sheet.cell(number, 1), line)
        sheet.cell(number, 1).alignment = Alignment(wrap_text=True, vertical="top")
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    sheet.protection.enable()


def _ask(sheet: Any, seal: Seal, queries: Sequence[Query]) -> None:
    for number, (header, width, _, answered, shown) in enumerate(COLUMNS, 1):
        cell = sheet.cell(1, number)
        _text(cell, header)
        cell.font = Font(bold=True)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        cell.fill = PatternFill("solid", fgColor="FFF2CC" if answered else "D9E1F2")
        dimension = sheet.column_dimensions[cell.column_letter]
        dimension.width, dimension.hidden = width, not shown
    for number, query in enumerate(queries, 1):
        for column, (header, _, field, answered, _) in enumerate(COLUMNS, 1):
            cell = sheet.cell(number + 1, column)
            value = (
                number
                if header == "No"
                else seal_of(seal, query)
                if header == "seal"
                else getattr(query, field, None)
                if field
                else None
            )
            _text(cell, value)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if answered:  # as text: a spreadsheet would make a date of 1/2 and drop the zeros of 1.20
                cell.number_format = "@"
                cell.protection = Protection(locked=False)
                cell.fill = PatternFill("solid", fgColor="FFFBE6")
    last = max(len(queries) + 1, 2)
    answer = HEADERS.index("Your answer")
    letter = sheet.cell(1, answer + 1).column_letter
    choices = DataValidation(
        type="list", formula1='"' + ",".join(c.value for c in Choice) + '"', allow_blank=True
    )
    choices.error, choices.errorTitle, choices.showErrorMessage = (
        "Please choose one of the list.",
        "Answer",
        True,
    )
    choices.add(f"{letter}2:{letter}{last}")
    sheet.add_data_validation(choices)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{sheet.cell(1, len(COLUMNS)).column_letter}{last}"
    sheet.protection.autoFilter = sheet.protection.sort = sheet.protection.formatColumns = (
        sheet.protection.deleteRows
    ) = False
    sheet.protection.enable()
    sheet.page_setup.orientation, sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = (
        "landscape",
        1,
        0,
    )
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _say_origin(sheet: Any, seal: Seal, today: date) -> None:
    sheet.sheet_state = "hidden"
    rows = (
        ("layout", LAYOUT),
        ("registry", seal.registry),
        ("hospital", seal.hospital),
        ("asked_on", today.isoformat()),
        ("seal", seal.of(LAYOUT, today.isoformat())),
    )
    for number, (key, value) in enumerate(rows, 1):
        _text(sheet.cell(number, 1), key)
        _text(sheet.cell(number, 2), value)
    sheet.protection.enable()


def _text(cell: Any, value: str | int | None) -> None:
    """Writes a text as a text, so that one which begins with = does not become a formula."""
    if isinstance(value, str):
        cell.value = _clean(value)
        cell.data_type = "s"
    else:
        cell.value = value


def _clean(text: str | None) -> str | None:
    return None if text is None else ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", text) or None


def seal_of(seal: Seal, asked: Any) -> str:
    values = asked if isinstance(asked, dict) else {name: getattr(asked, name) for name in SEALED}
    return seal.of(*(_clean(v) if isinstance(v := values[name], str) else v for name in SEALED))
