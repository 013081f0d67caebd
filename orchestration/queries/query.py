"""One question to a hospital.

Does not belong here: finding what to ask (`finding.py`), the workbook (`query_list.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.registry.corrections import Match


class QueriesRefused(Exception):
    """The file is no answered query list of this registry and hospital, or a question cannot be asked; holds
    every reason.
    """

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("\n".join(reasons))


@dataclass(frozen=True)
class Asked:
    """What a question is about: a place in a load, and what was expected there."""

    kind: str
    delivery: str
    load_id: str
    file: str
    sheet: str | None
    row: int
    entity: str | None
    field: str | None
    source_column: str | None
    expected: str
    is_word: bool = False  # a word that nobody knows: asked once, and answered for all rows that hold it
    own_id: str | None = None  # of the record that is asked again


@dataclass(frozen=True)
class Query:
    """One question on one cell, or on a row where no single cell is at fault."""

    query_id: str
    kind: str
    delivery: str
    load_id: str
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
