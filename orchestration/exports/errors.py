"""What a reader says of a file that it cannot take, and of a line that it cannot split.

Belongs here: the one exception of this package, the record of a malformed line, and how both read as a
sentence. Does not belong here: deciding that something is wrong. No text of a cell enters an exception; a
malformed line keeps its text, because it goes to the quarantine table and nowhere else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TEXT_KEPT = 1_000  # characters of a malformed line that the quarantine table keeps


class ExportFault(Exception):
    """An export file, or one table of it, that is refused whole.

    ``rule`` is a snake_case id that tests, tables and documentation rely on; ``file``, ``sheet``, ``row``
    and ``column`` are the place as a spreadsheet shows it; ``found``, ``expected`` and ``remedy`` are
    half-sentences.
    """

    def __init__(
        self,
        rule: str,
        *,
        found: str,
        expected: str,
        remedy: str,
        file: str = "",
        sheet: str | None = None,
        row: int | None = None,
        column: str | None = None,
        others: Sequence[ExportFault] = (),
    ) -> None:
        self.rule = rule
        self.found = found
        self.expected = expected
        self.remedy = remedy
        self.file = file
        self.sheet = sheet
        self.row = row
        self.column = column
        self.others = tuple(others)  # found in the same file
        super().__init__(rule)

    @property
    def place(self) -> tuple[str, str | None, int | None, str | None]:
        return (self.file, self.sheet, self.row, self.column)

    def at(self, *, file: str | None = None, sheet: str | None = None) -> ExportFault:
        """The same fault (and the others with it), the file and sheet named by a caller who knows them."""
        return ExportFault(
            self.rule,
            found=self.found,
            expected=self.expected,
            remedy=self.remedy,
            file=self.file if file is None else file,
            sheet=self.sheet if sheet is None else sheet,
            row=self.row,
            column=self.column,
            others=[other.at(file=file, sheet=sheet) for other in self.others],
        )

    def with_others(self, others: Sequence[ExportFault]) -> ExportFault:
        """The same fault, to be raised for itself and for others that were found with it."""
        fault = self.at()
        fault.others = (*self.others, *others)
        return fault

    def __str__(self) -> str:
        return "\n".join([self._sentence(), *map(str, self.others)])

    def _sentence(self) -> str:
        sheet = None if self.sheet is None else f'sheet "{self.sheet}"'
        row = None if self.row is None else f"row {self.row}"
        column = None if self.column is None else f'column "{self.column}"'
        place = ", ".join(part for part in (self.file, sheet, row, column) if part)
        return f"{place}{': ' if place else ''}{self.found}; expected {self.expected}. {self.remedy}"


@dataclass(frozen=True)
class MalformedLine:
    """One row of a file that could not be understood as a row: it is rejected, never dropped."""

    source_row: int
    rule: str
    reason: str
    text: str


def malformed(source_row: int, rule: str, reason: str, text: str) -> MalformedLine:
    shown = text.rstrip("\r\n")
    return MalformedLine(
        source_row, rule, reason, shown if len(shown) <= TEXT_KEPT else shown[:TEXT_KEPT] + "…"
    )


def name_list(names: Iterable[str], limit: int = 20) -> str:
    """Names in quotes, the first ``limit`` of them."""
    names = list(names)
    shown = ", ".join(f'"{name}"' for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def did_you_mean(wanted: str, names: Iterable[str]) -> str:
    """' Did you mean "…"?' or nothing."""
    near = difflib.get_close_matches(wanted, list(names), n=1)
    return f' Did you mean "{near[0]}"?' if near else ""
