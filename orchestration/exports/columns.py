"""Column names: one for each column, as sent; or a fault.

Belongs here: joining header rows, and all rules that a header can break. Does not belong here: matching names
to a mapping.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from .damage import REASONS, damage_in
from .errors import ExportFault, name_list, named
from .limits import COLUMNS, HEADER_CHARACTERS

BLANKS = "\ufeff\u200b\u00a0\u3000 \t\r\n"


def is_blank(cells: Iterable[str | None]) -> bool:
    """Whether no cell of a row holds visible text. In any format, such a row is no record."""
    return not any(cell and cell.strip(BLANKS) for cell in cells)


def checked_header(names: Sequence[str], row: int, used: set[int] | None = None) -> tuple[str, ...]:
    """The names stripped, or a fault for each rule that they break; the first fault is raised and holds the
    others. Names that several columns share are followed by their place among them: ``CK [1]``, ``CK [2]``.

    ``used`` are the positions that hold any cell below the header, if known. A nameless column without cells
    at the right edge is left out, as no column. If only the first column has no name, it is called
    ``column_1``: R's ``write.csv`` and pandas' ``to_csv`` write row numbers that way.
    """
    if len(names) > COLUMNS:
        raise ExportFault(
            "too_many_columns",
            row=row,
            found=f"{len(names):,} columns",
            expected=f"at most {COLUMNS:,}",
            remedy="Check the delimiter, or whether the table lies on its side (`transposed`).",
        )
    columns = [" ".join(name.split("\n")).replace("\r", "").strip(BLANKS) for name in names]
    if used is not None:
        while columns and not columns[-1] and len(columns) - 1 not in used:
            columns.pop()
    if len(columns) > 1 and not columns[0] and all(columns[1:]):
        columns[0] = "column_1"
    if not any(columns):
        raise ExportFault(
            "no_header",
            row=row,
            found="no text in the header row",
            expected="column names",
            remedy="Say with `skip_rows` how many rows stand above the header, "
            "or `header_rows: 0` if there is none.",
        )
    checks = (_unnamed, _too_long, _damaged)
    faults = [fault for check in checks if (fault := check(columns, row)) is not None]
    if faults:
        raise faults[0].with_others(faults[1:])
    named_apart = _named_apart(columns)
    if (fault := _repeated(named_apart, row)) is not None:
        raise fault
    return tuple(named_apart)


PLACE = re.compile(r" \[([1-9]\d*)\]$")


def _named_apart(columns: list[str]) -> list[str]:
    """Each of several columns alike with its place among them: ``Complete? [1]``, ``Complete? [2]``."""
    count, seen = Counter(columns), Counter[str]()
    told = []
    for name in columns:
        seen[name] += 1
        told.append(f"{name} [{seen[name]}]" if count[name] > 1 else name)
    return told


def without_place(name: str) -> str:
    """The name that a column may share with others: of ``Complete? [2]``, ``Complete?``."""
    return PLACE.sub("", name)


def alike(name: str, columns: Sequence[str]) -> list[str]:
    """The columns that share the name ``name``, if several do."""
    found = [c for c in columns if c != name and without_place(c) == name]
    return found if len(found) > 1 and name not in columns else []


def _unnamed(columns: list[str], row: int) -> ExportFault | None:
    at = [column_letter(i) for i, name in enumerate(columns) if not name]
    if not at:
        return None
    return ExportFault(
        "unnamed_column",
        row=row,
        column=at[0],
        found=f"no name above {name_list(at)} of {len(columns)} columns",
        expected="a name for every column",
        remedy="Ask for an export with a full header, "
        "or say `header_rows` or `skip_rows` if the header is elsewhere.",
    )


def _too_long(columns: list[str], row: int) -> ExportFault | None:
    at = [column_letter(i) for i, name in enumerate(columns) if len(name) > HEADER_CHARACTERS]
    if not at:
        return None
    return ExportFault(
        "header_too_long",
        row=row,
        column=at[0],
        found=f"names of more than {HEADER_CHARACTERS:,} characters above {name_list(at)}",
        expected="names",
        remedy="Check the quoting and the delimiter.",
    )


def _damaged(columns: list[str], row: int) -> ExportFault | None:
    for i, name in enumerate(columns):
        if (rule := damage_in(name)) is not None:
            return ExportFault(
                rule[0],
                row=row,
                column=name,
                found=f"the name of column {column_letter(i)} holds {REASONS[rule[0]]}",
                expected="names as the hospital's system shows them",
                remedy="State `encoding` if it was detected or stated wrongly; "
                "else ask for the export again as UTF-8.",
            )
    return None


def _repeated(columns: list[str], row: int) -> ExportFault | None:
    places: dict[str, list[str]] = {}
    for i, name in enumerate(columns):
        if name:
            places.setdefault(name, []).append(column_letter(i))
    alike = {name: at for name, at in places.items() if len(at) > 1}
    if not alike:
        return None
    shown = "; ".join(
        f"{named('column', name)} in {', '.join(at[:5])}" for name, at in list(alike.items())[:10]
    )
    return ExportFault(
        "duplicate_header",
        row=row,
        column=next(iter(alike)),
        found=f"two headers alike: {shown}",
        expected="every column named once",
        remedy="Write `header_rows: 2` where the row below says which is which; else ask for an export "
        "that tells them apart.",
    )


def joined_header(rows: Sequence[Sequence[str]]) -> list[str]:
    """One name per column from one or more header rows.

    In every row but the last, a blank takes the name to its left, because a group's name stands only over its
    first column. Repeated parts and blanks are left out: ``("CK", ""), ("", "U/L")`` gives ``CK / U/L``.
    """
    if len(rows) == 1:
        return list(rows[0])
    width = max(len(row) for row in rows)
    padded = [[cell.strip() for cell in row] + [""] * (width - len(row)) for row in rows]
    for depth, cells in enumerate(padded[:-1]):
        for i in range(1, width):
            same_group = depth == 0 or padded[depth - 1][i] == padded[depth - 1][i - 1]
            if not cells[i] and same_group:
                cells[i] = cells[i - 1]
    return [_joined(cells[i] for cells in padded) for i in range(width)]


def _joined(parts: Iterable[str]) -> str:
    kept: list[str] = []
    for part in parts:
        if part and part not in kept[-1:]:
            kept.append(part)
    return " / ".join(kept)


def column_letter(index: int) -> str:
    """A, B … Z, AA: the column as a spreadsheet shows it."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
