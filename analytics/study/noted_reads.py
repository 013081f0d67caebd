"""Notes which columns of the results a printed table was made from, while it is made.

A note is taken of every column that is read from a row of results (`noted`). When a table is complete, it
takes the notes since the table before it (`taken`). Outside `noting` nothing is noted, and nothing costs.
Does not belong here: what becomes of the notes (the report's page of lineage).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Read = tuple[str, str]  # table of results, column
_notes: ContextVar[set[Read] | None] = ContextVar("columns of results read", default=None)


class NotedRow(dict[str, Any]):
    """A row that notes which of its columns are read."""

    def __init__(self, table: str, row: dict[str, Any]) -> None:
        super().__init__(row)
        self._table = table

    def __getitem__(self, column: str) -> Any:
        _note(self._table, column)
        return super().__getitem__(column)

    def get(self, column: str, default: Any = None) -> Any:
        if column in self:
            _note(self._table, column)
        return super().get(column, default)


@contextmanager
def noting() -> Iterator[None]:
    """While the block lasts, reads are noted."""
    before = _notes.set(set())
    try:
        yield
    finally:
        _notes.reset(before)


def noted(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows; while reads are noted, rows that note them."""
    return rows if _notes.get() is None else [NotedRow(table, row) for row in rows]


def taken() -> frozenset[Read]:
    """The reads noted since this was last asked."""
    notes = _notes.get()
    if notes is None:
        return frozenset()
    found = frozenset(notes)
    notes.clear()
    return found


def _note(table: str, column: str) -> None:
    if (notes := _notes.get()) is not None:
        notes.add((table, column))
