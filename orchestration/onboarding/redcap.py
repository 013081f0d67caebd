"""What a REDCap export says of itself: its data dictionary and the columns that REDCap adds.

Belongs here: reading labels and choices. Does not belong here: the ready-made mapping
(`ready_made/redcap.yml`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb

from orchestration.exports import SourceTable

FIELD, LABEL, CHOICES = "Variable / Field Name", "Field Label", "Choices, Calculations, OR Slider Labels"
TYPE, IDENTIFIER = "Field Type", "Identifier?"
EVENT, INSTRUMENT = "redcap_event_name", "redcap_repeat_instrument"


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
    return EVENT in table.columns or INSTRUMENT in table.columns


def is_own(column: str) -> bool:
    """Whether REDCap itself adds the column; the ready-made mapping knows such columns."""
    return column.startswith("redcap_") or column.endswith(("_complete", "_timestamp"))


def dictionary(tables: Iterable[SourceTable], connection: duckdb.DuckDBPyConnection) -> Dictionary:
    """Column to what the dictionary says of it."""
    found: Dictionary = {}
    for table in tables:
        if not is_dictionary(table):
            continue
        cell = {c: f"c{i}" for i, c in enumerate(table.columns)}
        wanted = [cell.get(c, "null") for c in (FIELD, LABEL, CHOICES, TYPE, IDENTIFIER)]
        for name, label, choices, kind, flag in connection.execute(
            f"select {', '.join(wanted)} from ({table.relation})"
        ).fetchall():
            pairs = _choices(choices or "") if kind in ("radio", "dropdown", "checkbox") else {}
            label = re.sub(r"<[^>]+>", "", label or "").strip()
            if kind == "checkbox":
                found |= {
                    f"{name}___{code.lower()}": Entry(text, flag == "y") for code, text in pairs.items()
                }
            else:
                found[name] = Entry(label, flag == "y", pairs)
    return found


def _choices(text: str) -> dict[str, str]:
    """`1, Yes | 2, No`"""
    pairs = (choice.partition(",") for choice in text.split("|"))
    return {code.strip(): label.strip() for code, comma, label in pairs if comma}
