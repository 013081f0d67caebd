"""What a reader hands on: a table of text that still lies in its file, with the SQL that reads it.

Belongs here: ``SourceTable`` and the small pieces of SQL that every reader shares.
Does not belong here: knowledge of any format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .errors import ExportFault, MalformedLine, did_you_mean, name_list
from .limits import COLUMNS, HEADER_CHARACTERS


@dataclass(frozen=True)
class Finding:
    """Something a person should know of one column (or the whole table), that rejects no row by itself.

    ``digits_lost``: numbers beyond 15 digits, which a spreadsheet has rounded; such a column cannot tell
    patients apart. ``damaged_text``: rows with damaged text, kept because the mapping says so.
    """

    rule: str
    column: str | None
    count: int
    first_row: int | None = None


@dataclass(frozen=True)
class SourceTable:
    """One table of a delivery.

    ``relation`` is a DuckDB query that yields ``source_row BIGINT`` and ``c0 … cN VARCHAR`` in the order of
    ``columns``: the text that arrived, a blank cell as NULL. ``source_row`` is the row as a spreadsheet
    shows it. ``rows`` counts what the relation yields; rows in = ``rows`` + ``len(malformed)``. Rows without
    any text are neither. The relation may read files in the ``workdir`` given to ``open_tables``, which must
    live as long.
    """

    file: str
    sheet: str | None
    columns: tuple[str, ...]
    relation: str
    encoding: str | None
    format: str
    rows: int
    malformed: list[MalformedLine] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()

    @property
    def rows_in(self) -> int:
        return self.rows + len(self.malformed)


def sql_text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def varchar_columns(count: int, first: str | None = None) -> str:
    """The ``columns`` argument of ``read_csv``: ``first`` if given, then c0 … cN."""
    names = ([first] if first else []) + [f"c{i}" for i in range(count)]
    return "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"


def select_list(count: int) -> str:
    return ", ".join(f"c{i}" for i in range(count))


def checked_header(
    names: Sequence[str], first_row: int, cells_below: set[int] | None = None
) -> tuple[str, ...]:
    """Column names as sent, or a fault: blank or repeated names, too many columns, names that are no names.

    ``cells_below`` are the positions that hold any cell below the header, where known: a nameless column
    without cells at the right edge is no column, and is left out.
    """
    names = [" ".join(name.split()) if "\n" in name or "\r" in name else name.strip() for name in names]
    names = [name.strip("\ufeff\u200b\u00a0\u3000 ") for name in names]
    if cells_below is not None:
        while names and not names[-1] and len(names) - 1 not in cells_below:
            names.pop()
    if not any(names):
        raise ExportFault(
            "no_header",
            row=first_row,
            found="no text in the header row",
            expected="column names",
            remedy="Say with `skip_rows` how many rows stand above the header, "
            "or `header_rows: 0` if there is none.",
        )
    if len(names) > COLUMNS:
        raise ExportFault(
            "too_many_columns",
            row=first_row,
            found=f"{len(names):,} columns",
            expected=f"at most {COLUMNS:,}",
            remedy="Check the delimiter, or whether the table lies on its side (`transposed`).",
        )
    for i, name in enumerate(names):
        if not name:
            raise ExportFault(
                "unnamed_column",
                row=first_row,
                column=column_letter(i),
                found=f"no name above column {column_letter(i)} of {len(names)}",
                expected="a name for every column",
                remedy="Ask for an export with a full header, "
                "or say `header_rows` or `skip_rows` if the header is elsewhere.",
            )
        if len(name) > HEADER_CHARACTERS:
            raise ExportFault(
                "header_too_long",
                row=first_row,
                column=column_letter(i),
                found=f"a column name of {len(name):,} characters",
                expected=f"at most {HEADER_CHARACTERS:,}",
                remedy="Check the quoting and the delimiter.",
            )
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        if name in seen:
            raise ExportFault(
                "duplicate_header",
                row=first_row,
                column=name,
                found=f'two headers alike, "{name}" in columns '
                f"{column_letter(seen[name])} and {column_letter(i)}",
                expected="every column named once",
                remedy="Ask for an export that tells them apart; which of two is meant cannot be guessed.",
            )
        seen[name] = i
    return tuple(names)


def joined_header(rows: Sequence[Sequence[str]]) -> list[str]:
    """One name per column from one or more header rows.

    A blank takes the name to its left in every row but the last, for a group's name stands over its first
    column only; repeated parts and blanks are left out: ``("CK", ""), ("", "U/L")`` gives ``CK / U/L``.
    """
    if len(rows) == 1:
        return list(rows[0])
    width = max(len(row) for row in rows)
    filled = []
    for depth, row in enumerate(rows):
        cells = [cell.strip() for cell in row] + [""] * (width - len(row))
        if depth < len(rows) - 1:
            above: list[str] = [""] * width if not filled else filled[-1]
            for i in range(1, width):
                if not cells[i] and (depth == 0 or above[i] == above[i - 1]):
                    cells[i] = cells[i - 1]
        filled.append(cells)
    names = []
    for i in range(width):
        parts: list[str] = []
        for cells in filled:
            if cells[i] and (not parts or parts[-1] != cells[i]):
                parts.append(cells[i])
        names.append(" / ".join(parts))
    return names


def column_letter(index: int) -> str:
    """A, B … Z, AA: the column as a spreadsheet shows it."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def filled_down(relation: str, columns: Sequence[str], fill: Sequence[str]) -> str:
    """``relation`` with the blank cells of the named columns taking the value above."""
    if not fill:
        return relation
    for name in fill:
        if name not in columns:
            raise ExportFault(
                "missing_column",
                column=name,
                found=f'no column "{name}" to fill down',
                expected=f"one of {name_list(columns)}",
                remedy="Correct `fill_down`." + did_you_mean(name, columns),
            )
    cells = [
        f"last_value(c{i} ignore nulls) over (order by source_row rows unbounded preceding) as c{i}"
        if name in fill
        else f"c{i}"
        for i, name in enumerate(columns)
    ]
    return f"select source_row, {', '.join(cells)} from ({relation})"
