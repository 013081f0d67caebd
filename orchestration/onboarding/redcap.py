"""What a REDCap export says of itself: its data dictionary and the columns that REDCap adds.

Belongs here: reading labels and choices. Does not belong here: the ready-made mapping
(`ready_made/redcap.yml`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb

from orchestration.exports import SourceTable
from orchestration.exports.columns import without_place
from orchestration.raw.redcap import (
    BOX,
    CHOICES,
    COMPLETE,
    FIELD,
    LABEL,
    LABELLED_BOX,
    OWN,
    TYPE,
    choices,
    plain_label,
)

IDENTIFIER = "Identifier?"
EVENTS, INSTRUMENTS = ("redcap_event_name", "Event Name"), ("redcap_repeat_instrument", "Repeat Instrument")


@dataclass(frozen=True)
class Entry:
    """A field of the dictionary. A checkbox has one entry for each choice, with the choice's label."""

    label: str
    is_identifier: bool
    choices: dict[str, str] = field(default_factory=dict)


Dictionary = dict[str, Entry]


def is_dictionary(table: SourceTable) -> bool:
    return {FIELD, LABEL, CHOICES} <= set(table.columns)


def is_data(table: SourceTable) -> bool:
    """Whether REDCap exported the table: it tells events or instruments, or forms and boxes."""
    has_forms = any(COMPLETE.fullmatch(without_place(c)) for c in table.columns)
    has_boxes = any(BOX.fullmatch(c) or LABELLED_BOX.fullmatch(c) for c in table.columns)
    return bool(event_column(table) or instrument_column(table)) or (has_forms and has_boxes)


def event_column(table: SourceTable) -> str | None:
    return next((c for c in EVENTS if c in table.columns), None)


def instrument_column(table: SourceTable) -> str | None:
    return next((c for c in INSTRUMENTS if c in table.columns), None)


def is_own(column: str) -> bool:
    """Whether REDCap itself adds the column; the ready-made mapping knows such columns."""
    bare = without_place(column)
    return bool(OWN.fullmatch(bare) or COMPLETE.fullmatch(bare))


def dictionary(tables: Iterable[SourceTable], connection: duckdb.DuckDBPyConnection) -> Dictionary:
    """Column to what the dictionary says of it."""
    found: Dictionary = {}
    for table in tables:
        if not is_dictionary(table):
            continue
        cell = {c: f"c{i}" for i, c in enumerate(table.columns)}
        wanted = [cell.get(c, "null") for c in (FIELD, LABEL, CHOICES, TYPE, IDENTIFIER)]
        for name, label, options, kind, flag in connection.execute(
            f"select {', '.join(wanted)} from ({table.relation})"
        ).fetchall():
            pairs = choices(options or "") if kind in ("radio", "dropdown", "checkbox") else {}
            label = plain_label(label or "")
            if kind == "checkbox":
                for code, text in pairs.items():
                    entry = Entry(text, flag == "y")
                    found[f"{name}___{code.lower()}"] = entry
                    found.setdefault(f"{label} (choice={text})", entry)
            else:
                found[name] = Entry(label, flag == "y", pairs)
                found.setdefault(label, found[name])  # of an export with labels
    return found
