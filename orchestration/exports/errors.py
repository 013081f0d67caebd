"""The errors of readers: a file that cannot be read, and a line that cannot be split.

Belongs here: the one exception of this package, the record of a malformed line, and how both read as a
sentence. Does not belong here: deciding that something is wrong. No text of a cell enters an exception. A
malformed line keeps its text, because it goes to the quarantine table and nowhere else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["sheet", "member", "column"]
Shown = Callable[[str, str], str]  # kind and name to what stands in a sentence
_MARKED = re.compile("\ue000(sheet|member|column)\ue001(.*?)\ue002", re.DOTALL)
TEXT_KEPT = 1_000  # characters of a malformed line that the quarantine table keeps


def named(kind: Kind, name: str) -> str:
    """Marks a name that came with the delivery. Whoever knows the mapping later decides how the
    name is shown.
    """
    return f"\ue000{kind}\ue001{name}\ue002"


def plainly(kind: str, name: str) -> str:
    return f'"{name}"'


def unmarked(text: str, shown: Shown = plainly) -> str:
    """The sentence with each marked name in the form that ``shown`` gives it."""
    return _MARKED.sub(lambda mark: shown(mark[1], mark[2]), text)


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
        self.marked = {"found": found, "expected": expected, "remedy": remedy}
        self.file = file
        self.sheet = sheet
        self.row = row
        self.column = column
        self.others = tuple(others)  # found in the same file
        super().__init__(rule)

    @property
    def found(self) -> str:
        return unmarked(self.marked["found"])

    @property
    def expected(self) -> str:
        return unmarked(self.marked["expected"])

    @property
    def remedy(self) -> str:
        return unmarked(self.marked["remedy"])

    @property
    def place(self) -> tuple[str, str | None, int | None, str | None]:
        return (self.file, self.sheet, self.row, self.column)

    def at(self, *, file: str | None = None, sheet: str | None = None) -> ExportFault:
        """The same fault (and the others with it), with the file and sheet named by a caller who
        knows them.
        """
        return ExportFault(
            self.rule,
            **self.marked,
            file=self.file if file is None else file,
            sheet=self.sheet if sheet is None else sheet,
            row=self.row,
            column=self.column,
            others=[other.at(file=file, sheet=sheet) for other in self.others],
        )

    def with_others(self, others: Sequence[ExportFault]) -> ExportFault:
        """The same fault, which also holds the others that were found with it."""
        fault = self.at()
        fault.others = (*self.others, *others)
        return fault

    def __str__(self) -> str:
        return self.told(plainly, str)

    def told(self, shown: Shown, file: Callable[[str], str]) -> str:
        """A sentence for this fault and for each found with it; ``shown`` and ``file`` say how names are
        shown.
        """
        return "\n".join([self._sentence(shown, file), *(other.told(shown, file) for other in self.others)])

    def _sentence(self, shown: Shown, named_file: Callable[[str], str]) -> str:
        file = named_file(self.file) if self.file else ""
        sheet = None if self.sheet is None else f"sheet {shown('sheet', self.sheet)}"
        row = None if self.row is None else f"row {self.row}"
        column = None if self.column is None else _column_words(self.column, shown)
        place = ", ".join(part for part in (file, sheet, row, column) if part)
        found, expected, remedy = (
            unmarked(self.marked[key], shown) for key in ("found", "expected", "remedy")
        )
        return f"{place}{': ' if place else ''}{found}; expected {expected}. {remedy}"


def _column_words(column: str, shown: Shown) -> str:
    """`column "CK"`, or the shown name (`column D`); a letter is shown as it is."""
    words = plainly("column", column) if re.fullmatch("[A-Z]{1,3}", column) else shown("column", column)
    return f"column {words}" if words.startswith('"') else words


@dataclass(frozen=True)
class MalformedLine:
    """One row of a file that could not be read as a row. It is rejected, never dropped."""

    source_row: int
    rule: str
    reason: str
    text: str


def malformed(source_row: int, rule: str, reason: str, text: str) -> MalformedLine:
    shown = text.rstrip("\r\n")
    return MalformedLine(
        source_row, rule, reason, shown if len(shown) <= TEXT_KEPT else shown[:TEXT_KEPT] + "…"
    )


def name_list(names: Iterable[str], limit: int = 20, kind: Kind | None = None) -> str:
    """Names in quotes, the first ``limit`` of them; of a ``kind`` that came with the delivery, marked."""
    names = list(names)
    shown = ", ".join(named(kind, name) if kind else f'"{name}"' for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def did_you_mean(wanted: str, names: Iterable[str], kind: Kind) -> str:
    """' Did you mean "…"?' or nothing."""
    near = difflib.get_close_matches(wanted, list(names), n=1)
    return f" Did you mean {named(kind, near[0])}?" if near else ""
