"""One question to a hospital.

Does not belong here: finding what to ask (`finding.py`), the workbook (`query_list.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.registry.corrections import (
    Match,
)


@dataclass(frozen=True)
class Query:
    """One question on one cell, or on a row where no single cell is at fault."""

    query_id: str
    kind: str
    delivery: str
    file: str
    sheet: str | None
    row: int
    entity: str
    field: str
    source_column: str | None
    column: str | None  # as the hospital calls it; None if the question is about the whole row
    item: str | None
    day: str | None
    found: str | None
    expected: str
    match: Match | None  # None if no record can answer: the row must be sent again
