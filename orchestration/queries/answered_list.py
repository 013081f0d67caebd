"""Reads an answered query list, and refuses what the registry did not ask.

Does not belong here: writing the list (`query_list.py`), what an answer becomes (`answers.py`).
"""

from __future__ import annotations

import hmac
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from orchestration.queries.query import QueriesRefused
from orchestration.queries.query_list import (
    COLUMNS,
    HEADERS,
    LAYOUT,
    ORIGIN,
    QUESTIONS,
    Choice,
    Seal,
    seal_of,
)

MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class Answer:
    """One row of an answered list; ``choice`` is None if the row is not answered."""

    sheet_row: int
    query_id: str
    kind: str
    delivery: str
    file: str
    sheet: str | None
    row: int
    entity: str
    field: str
    source_column: str | None
    expected: str
    found: str | None
    choice: Choice | None
    value: str | None
    is_number: bool  # of the spreadsheet: written here with a decimal point, whatever the hospital writes


def read(path: Path, seal: Seal) -> tuple[list[Answer], date]:
    """The rows of an answered list, and the day on which the list was written; raises QueriesRefused with
    every fault.
    """
    book = _open(path)
    asked_on = _origin(path, book, seal)
    sheet = book[QUESTIONS]
    headers = [cell.value for cell in sheet[1]][: len(COLUMNS)]
    if headers != HEADERS:
        wrong = next(
            (h for h, there in zip(HEADERS, [*headers, *[None] * len(HEADERS)]) if h != there), HEADERS[-1]
        )
        raise QueriesRefused(
            [
                f'{path.name}: the columns of sheet "{QUESTIONS}" are not those that were sent (expected '
                f'"{wrong}" where it is not); copy the answers into the list as it was sent, or ask for a '
                "new one"
            ]
        )
    answers: list[Answer] = []
    faults: list[str] = []
    for number, row in enumerate(sheet.iter_rows(min_row=2, max_col=len(COLUMNS)), 2):
        if any(cell.value is not None for cell in row):
            answer = _answer(path, seal, number, row, faults)
            if answer is not None:
                answers.append(answer)
    ids = [a.query_id for a in answers]
    faults += [
        f"{path.name}, row {a.sheet_row}: this question is listed twice; keep one of the two rows"
        for n, a in enumerate(answers)
        if a.query_id in ids[:n]
    ]
    if faults:
        raise QueriesRefused([*faults, "Nothing of the file was taken."])
    return answers, asked_on


def _open(path: Path) -> Any:
    if not path.is_file():
        raise QueriesRefused([f"{path}: there is no such file; give the answered query list"])
    if path.stat().st_size > MOST_BYTES:
        raise QueriesRefused(
            [f"{path.name}: {path.stat().st_size:,} bytes; a query list is smaller than {MOST_BYTES:,}"]
        )
    try:
        with zipfile.ZipFile(path) as parts:
            if sum(p.file_size for p in parts.infolist()) > 10 * MOST_BYTES:
                raise QueriesRefused(
                    [f"{path.name}: it unpacks to more than {10 * MOST_BYTES:,} bytes; that is no query list"]
                )
        return load_workbook(path)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError):
        raise QueriesRefused(
            [
                f"{path.name}: cannot be read as an .xlsx workbook; ask for the list without a password, "
                "saved as .xlsx"
            ]
        ) from None


def _origin(path: Path, book: Any, seal: Seal) -> date:
    if ORIGIN not in book.sheetnames or QUESTIONS not in book.sheetnames:
        raise QueriesRefused(
            [
                f'{path.name}: no query list: it has no sheet "{QUESTIONS}" with its origin; write one '
                f"with: myositis queries {seal.hospital}"
            ]
        )
    said = {
        str(row[0].value): str(row[1].value)
        for row in book[ORIGIN].iter_rows(min_row=1, max_row=10, max_col=2)
    }
    for key, expected in (("layout", LAYOUT), ("registry", seal.registry), ("hospital", seal.hospital)):
        if said.get(key) != expected:
            raise QueriesRefused(
                [
                    f'{path.name}: a list of another {key}: found "{said.get(key)}", expected "{expected}"; '
                    "read it where it was written"
                ]
            )
    if not hmac.compare_digest(said.get("seal", ""), seal.of(LAYOUT, said.get("asked_on"))):
        raise QueriesRefused(
            [f"{path.name}: the list was not written with this registry's key; read it where it was written"]
        )
    return date.fromisoformat(said["asked_on"])


def _answer(path: Path, seal: Seal, number: int, row: Sequence[Any], faults: list[str]) -> Answer | None:
    values = {field: cell.value for (_, _, field, _, _), cell in zip(COLUMNS, row) if field}
    place = f"{path.name}, row {number}"
    if not hmac.compare_digest(str(row[-1].value or ""), seal_of(seal, values)):
        faults.append(
            f"{place}: the question was changed, or the row was added; restore the row, or delete it"
        )
        return None
    said = str(values["answer"] or "").strip().lower()
    choice = next((c for c in Choice if said.rstrip(" :") == c.value.rstrip(":")), None)
    value = values["value"]
    if said and choice is None:
        faults.append(f"{place}: the answer is none of: {', '.join(c.value for c in Choice)}")
    if isinstance(value, datetime | date) or any(
        row[HEADERS.index(h)].data_type == "f" for h in ("Your answer", COLUMNS[11][0])
    ):
        faults.append(
            f"{place}: the right value came as a date or a formula of the spreadsheet; write it as text, as "
            "your file would write it"
        )
        value = None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = (
        None
        if value is None
        else f"{Decimal(f'{value:.15g}'):f}"
        if is_number
        else str(value).strip() or None
    )
    if choice is Choice.VALUE and text is None:
        faults.append(
            f'{place}: "{Choice.VALUE.value}" is chosen and no value is written; write the right value '
            "beside the answer"
        )
    if choice is not Choice.VALUE and text is not None:
        faults.append(
            f'{place}: a right value is written, but the answer is not "{Choice.VALUE.value}"; choose that '
            "answer, or take the value out"
        )
    return Answer(
        number,
        values["query_id"],
        values["kind"],
        values["delivery"],
        values["file"],
        values["sheet"],
        int(values["row"]),
        values["entity"] or "",
        values["field"] or "",
        values["source_column"],
        values["expected"],
        values["found"],
        choice,
        text,
        is_number,
    )
