"""Finds the dates of a delivered table whose day and month a spreadsheet has exchanged. They are then read by
the order of the rows or by the mapping, or the delivery is refused.

Belongs here: querying the cells that are being loaded. Does not belong here: the sign of an exchange
(`exports/exchanged_dates.py`), putting day and month back (dbt).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from orchestration.exports.exchanged_dates import TIME_OF_DAY, Reading, Sign, by_order, parsed, sign_of
from orchestration.raw.cell_sql import cell_text, is_taken, literal
from orchestration.registry.entities import ColumnSource, Entity, is_date
from orchestration.registry.mapping import Export, Mapping


@dataclass(frozen=True)
class ExchangedDates:
    """A date of ours that an export fills from exchanged dates, and the form of those texts."""

    export: Export
    field: str
    texts_like: str


def find(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    exports: list[Export],
    cells: dict[str, str],
    date_cells: set[str],
    none: str,
) -> tuple[list[ExchangedDates], list[str]]:
    """The exchanged dates in the rows of ``incoming``, and a sentence for each column in which nobody can
    tell.

    ``cells`` names the cell of each column; ``date_cells`` names the columns with date cells; ``none`` is SQL
    for a row that is no record.
    """
    exchanged: list[ExchangedDates] = []
    faults: list[str] = []
    for export in exports:
        taken = f"not ({none}) and {is_taken(export, cells)}"
        for _, entity in export.entities():
            for field, source in _dates(entity):
                texts = _texts(connection, cell_text(source, cells), taken)
                sign = sign_of(texts, bool(date_cells & set(source.columns)))
                columns = ", ".join(f'"{c}"' for c in source.columns)
                if source.day_and_month == "exchanged":
                    sign, fault = _as_stated(texts, sign, columns)
                    faults += [fault] if fault else []
                elif sign is not None and source.day_and_month is None:
                    formats = source.dates or export.dates or mapping.dates
                    reading = _by_order(connection, entity, source, cells, taken, sign, formats)
                    if reading is None:
                        faults.append(_undecided(sign, columns, mapping.sender))
                    sign = sign if reading == "exchanged" else None
                else:
                    sign = None
                if sign is not None:
                    exchanged.append(ExchangedDates(export, field, sign.suspect.texts_like))
    return exchanged, list(dict.fromkeys(faults))


def _dates(entity: Entity) -> Iterator[tuple[str, ColumnSource]]:
    for field, source in entity.fields():
        if is_date(field) and source.columns:
            yield field, source


def _texts(connection: duckdb.DuckDBPyConnection, cell: str, taken: str) -> dict[str, int]:
    """The texts of a column without their times of day, each with the number of its cells."""
    day = f"regexp_replace({cell}, {literal(TIME_OF_DAY)}, '')"
    found = connection.execute(
        f"select {day}, count(*) from incoming where {taken} and {cell} is not null group by 1"
    )
    return dict(found.fetchall())


def _by_order(
    connection: duckdb.DuckDBPyConnection,
    entity: Entity,
    source: ColumnSource,
    cells: dict[str, str],
    taken: str,
    sign: Sign,
    formats: list[str],
) -> Reading | None:
    subject = entity.patient_id or entity.visit_id
    if subject is None:
        return None
    who, text = cell_text(subject, cells), cell_text(source, cells)
    rows = connection.execute(
        f"select distinct {who}, source_row, {text} from incoming where {taken} and {who} is not null "
        f"and {text} is not null"
    ).fetchall()
    day_first = next(
        (
            f.index("%d") < f.index("%m")
            for f in formats
            if "%d" in f and "%m" in f and not f.startswith("%Y")
        ),
        True,
    )
    return by_order(rows, sign, day_first)


def _as_stated(texts: dict[str, int], sign: Sign | None, columns: str) -> tuple[Sign | None, str]:
    """The dates that the mapping calls exchanged; a fault if the column shows that they are not."""
    if sign is not None:
        return sign, ""
    dates = [(text, written) for text in texts if (written := parsed(text)) is not None]
    if not any(written.could_be_exchanged for _, written in dates):
        return None, ""
    return None, (
        f"column {columns}: the mapping says `day_and_month: exchanged`, but the column shows no sign of "
        "it; expected dates of one writing that never show a day above 12, beside others that always do; "
        "take the key out, or ask the hospital how the file was made"
    )


def _undecided(sign: Sign, columns: str, sender: str) -> str:
    return (
        f"column {columns}: {sign.sentence()}; the order of the patients' rows does not tell which. Ask the "
        f"hospital for the column as text, or say what holds in hospitals/{sender}.yml for each date that "
        "the column feeds: {column: …, day_and_month: exchanged} or {column: …, day_and_month: "
        "as_written}"
    )
