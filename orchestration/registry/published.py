"""Reads a folder of printed numbers, ``published/<study>/`` or any other, with every fault on its line.

Belongs here: the columns of its files, lines, nearest known names. Does not belong here: what the numbers
mean (``analytics/paper/published.py``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from analytics.paper.printed_numbers import PrintedNumber
from analytics.paper.published import (
    CONTRADICTS,
    STATEMENT_KINDS,
    Analyses,
    Paper,
    PaperFile,
    PrintedAnalysis,
    PrintedP,
    PrintedStatement,
    PrintedSummary,
    PrintedTerm,
    SummaryKind,
    parse_numbers,
    parse_summary,
)
from yaml_files.yaml_file import ConfigurationError, line_of, nearest, read_model

PAPER, SUMMARIES, P_VALUES = "paper.yml", "summaries.csv", "p_values.csv"
ENCODING = "utf-8-sig"

Row = TypeVar("Row", bound=PrintedSummary | PrintedP | PrintedTerm | PrintedAnalysis | PrintedStatement)
Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Columns:
    """The columns that a file must have, and those that it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


SUMMARY_COLUMNS = Columns(
    ("table", "variable", "group", "group_size", "summary", "printed"), ("label", "unit")
)
P_COLUMNS = Columns(("table", "variable", "group_a", "group_b", "printed_p"), ("stars",))
TERM_COLUMNS = Columns(("response", "effect", "chi2", "df", "printed_p"))
STATEMENT_COLUMNS = Columns(("statement_id", "where", "statement", "variable", "groups", "visits", "kind"))
ANALYSIS_COLUMNS = Columns(("analysis", "group_a", "group_b", "printed_p"))


class Faulty(ValueError):
    """One cell of a file cannot be used."""

    def __init__(self, column: str, sentence: str) -> None:
        self.column = column
        super().__init__(sentence)


def read_paper(folder: Path, shown_as: str | None = None) -> Paper:
    """Read a folder of printed numbers; raise ConfigurationError with all faults of all its files.

    ``shown_as`` stands before file names in faults. Without ``paper.yml`` the paper has the name of its
    folder.
    """
    prefix = f"{shown_as}/" if shown_as else ""
    if not folder.is_dir():
        raise ConfigurationError(
            [f"{folder}: no such folder; give one that holds {SUMMARIES} or {P_VALUES} (docs/published.md)"]
        )
    faults: list[str] = []
    file = PaperFile(title=folder.name)
    if (folder / PAPER).is_file():
        try:
            file = read_model(folder / PAPER, PaperFile, shown_as=prefix + PAPER)
        except ConfigurationError as error:
            raise ConfigurationError([*error.faults, *_strays(folder, None, prefix)]) from None
    read = _Reader(folder, prefix, faults)
    terms, analyses, statements = file.model_terms, file.analyses, file.statements
    paper = Paper(
        name=folder.name,
        file=file,
        summaries=read.rows(SUMMARIES, SUMMARY_COLUMNS, _summary),
        p_values=read.rows(P_VALUES, P_COLUMNS, lambda line, row: _p_value(line, row, file)),
        terms=read.rows(terms.file, TERM_COLUMNS, lambda line, row: _term(line, row, terms.table), True)
        if terms
        else (),
        analyses=read.rows(
            analyses.file, ANALYSIS_COLUMNS, lambda line, row: _analysis(line, row, analyses), True
        )
        if analyses
        else (),
        statements=read.rows(statements.file, STATEMENT_COLUMNS, _statement, True) if statements else (),
    )
    faults += _strays(folder, file, prefix)
    if not faults and not any(True for _ in paper.cells()):
        faults.append(
            f"{folder}: no printed number here; write {SUMMARIES} or {P_VALUES}, one row per printed cell"
            " (docs/published.md)"
        )
    faults += _repeated(paper, prefix)
    if not faults:
        faults += _unknown_names(paper, folder, prefix)
    if faults:
        raise ConfigurationError(faults)
    return paper


@dataclass
class _Reader:
    """Reads the CSV files of one folder; faults go to ``faults``."""

    folder: Path
    prefix: str
    faults: list[str]

    def rows(
        self, name: str, columns: Columns, parse: Callable[[int, dict[str, str]], Row], required: bool = False
    ) -> tuple[Row, ...]:
        path = self.folder / name
        if not path.is_file():
            if required:
                self.faults.append(
                    f"{self.prefix}{PAPER}: names {name}, and there is no such file in the folder"
                )
            return ()
        shown = self.prefix + name
        try:
            text = path.read_text(encoding=ENCODING)
        except UnicodeDecodeError as error:
            self.faults.append(f"{shown}: not UTF-8 (byte {error.start}); save the file as UTF-8")
            return ()
        return tuple(self._parsed(shown, text, columns, parse))

    def _parsed(
        self, shown: str, text: str, columns: Columns, parse: Callable[[int, dict[str, str]], Row]
    ) -> Iterator[Row]:
        reader = csv.reader(io.StringIO(text, newline=""))
        header = [name.strip() for name in next(reader, [])]
        if faults := _header_faults(shown, header, columns):
            self.faults += faults
            return
        start = reader.line_num + 1
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                self.faults.append(
                    f"{shown}:{line}: {len(cells)} cells under {len(header)} columns;"
                    " a cell that holds a comma stands in quotes"
                )
                continue
            row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            try:
                yield parse(line, row)
            except Faulty as fault:
                self.faults.append(f"{shown}:{line}: {fault.column}: {fault}")


def _header_faults(shown: str, header: Sequence[str], columns: Columns) -> list[str]:
    known = (*columns.required, *columns.optional)
    if not any(header):
        return [f"{shown}:1: the file is empty; expected the columns {', '.join(columns.required)}"]
    if len(header) == 1 and ";" in header[0]:
        return [f"{shown}:1: its columns are separated by semicolons; save it with commas"]
    faults = []
    for name in columns.required:
        if name not in header:
            unread = [h for h in header if h not in known]
            faults.append(
                f'{shown}:1: no column "{name}".{nearest(name, unread)} Its columns: {", ".join(header)}'
            )
    for name in header:
        if name not in known:
            faults.append(
                f'{shown}:1: unknown column "{name}".{nearest(name, known)} Known columns: {", ".join(known)}'
            )
    for name in sorted({h for h in header if header.count(h) > 1}):
        faults.append(f'{shown}:1: two columns are called "{name}"; keep one')
    return faults


def _summary(line: int, row: dict[str, str]) -> PrintedSummary:
    kinds = get_args(SummaryKind)
    kind = row["summary"]
    if kind not in kinds:
        raise Faulty("summary", f'expected one of {", ".join(kinds)}; found "{kind}".{nearest(kind, kinds)}')
    numbers = _parse("printed", parse_summary, kind, row["printed"])
    size = _whole(row, "group_size")
    table, variable, group = _names(row, "table", "variable", "group")
    return PrintedSummary(line, table, variable, group, size, kind, row["printed"], numbers)


def _p_value(line: int, row: dict[str, str], file: PaperFile) -> PrintedP:
    number = _probability(row, "printed_p")
    stars = row.get("stars")
    if stars and stars not in file.stars:
        marks = ", ".join(file.stars) or "none"
        raise Faulty("stars", f'{PAPER} does not say what "{stars}" means; its stars: {marks}')
    table, variable, group_a, group_b = _names(row, "table", "variable", "group_a", "group_b")
    return PrintedP(line, table, variable, group_a, group_b, row["printed_p"], number, stars)


def _term(line: int, row: dict[str, str], table: str) -> PrintedTerm:
    statistic = _parse("chi2", PrintedNumber.parse, row["chi2"])
    response, effect = _names(row, "response", "effect")
    return PrintedTerm(
        line, table, response, effect, statistic, _whole(row, "df"), _probability(row, "printed_p")
    )


def _analysis(line: int, row: dict[str, str], analyses: Analyses) -> PrintedAnalysis:
    known = analyses.lookup
    name = row["analysis"]
    if name not in known:
        listed = ", ".join(known)
        raise Faulty(
            "analysis",
            f'{PAPER} does not say where to look up "{name}"; analyses.lookup has {listed}.'
            f"{nearest(name, known)}",
        )
    if bool(row["group_a"]) != bool(row["group_b"]):
        raise Faulty("group_b" if row["group_a"] else "group_a", "a pair has two groups; give both, or none")
    numbers = _parse("printed_p", parse_numbers, row["printed_p"], len(known[name].values))
    return PrintedAnalysis(
        line, analyses.table, name, row["group_a"], row["group_b"], row["printed_p"], numbers
    )


def _statement(line: int, row: dict[str, str]) -> PrintedStatement:
    for column in ("statement_id", "where", "statement", "variable"):
        if not row[column]:
            raise Faulty(column, "empty; every statement has one")
    kind, contradicts = row["kind"], None
    if kind.startswith(CONTRADICTS):
        kind, contradicts = CONTRADICTS.strip(), kind.removeprefix(CONTRADICTS).strip()
    elif kind not in STATEMENT_KINDS:
        known = [*STATEMENT_KINDS, f"{CONTRADICTS}Table I"]
        raise Faulty("kind", f'expected one of {", ".join(known)}; found "{kind}".{nearest(kind, known)}')
    variables, groups, visits = (_parts(row, column) for column in ("variable", "groups", "visits"))
    if contradicts is None:
        wanted_groups, wanted_visits = STATEMENT_KINDS[kind]
        _count("groups", kind, groups, wanted_groups)
        _count("visits", kind, visits, wanted_visits)
        if (kind == "association") != (len(variables) == 2):
            wanted = "a variable and an endpoint, as ck;relapse" if kind == "association" else "one variable"
            raise Faulty("variable", f'a statement of kind {kind} names {wanted}; found "{row["variable"]}"')
    return PrintedStatement(
        line,
        row["statement_id"],
        row["where"],
        row["statement"],
        variables,
        groups,
        visits,
        kind,
        contradicts,
    )


def _parts(row: dict[str, str], column: str) -> tuple[str, ...]:
    """The names of a cell, between semicolons."""
    if not row[column]:
        return ()
    parts = tuple(part.strip() for part in row[column].split(";"))
    if not all(parts):
        raise Faulty(column, f'"{row[column]}" has an empty part between semicolons; take one semicolon away')
    return parts


def _count(column: str, kind: str, found: tuple[str, ...], wanted: str) -> None:
    fits = {
        "none": not found,
        "1": len(found) == 1,
        "2": len(found) == 2,
        "1 or more": len(found) >= 1,
        "2 or more": len(found) >= 2,
    }[wanted]
    if not fits and found != ("all",):
        raise Faulty(
            column,
            f'a statement of kind {kind} names {wanted} here; found {len(found)} ("{";".join(found)}")',
        )


def _names(row: dict[str, str], *columns: str) -> list[str]:
    for column in columns:
        if not row[column]:
            raise Faulty(column, "empty; every printed cell has one")
        if any(mark in row[column] for mark in "/:"):
            raise Faulty(
                column,
                f'"{row[column]}" holds / or :, which separate the parts of a cell\'s name; leave them out',
            )
    return [row[column] for column in columns]


def _probability(row: dict[str, str], column: str) -> PrintedNumber:
    number = _parse(column, PrintedNumber.parse, row[column])
    if not 0 <= number.value <= 1:
        raise Faulty(column, f'a p value lies between 0 and 1; found "{row[column]}"')
    return number


def _whole(row: dict[str, str], column: str) -> int:
    if not (row[column].isascii() and row[column].isdigit() and int(row[column]) > 0):
        raise Faulty(column, f'expected a whole number above 0; found "{row[column]}"')
    return int(row[column])


def _parse(column: str, parse: Callable[..., Parsed], *arguments: Any) -> Parsed:
    try:
        return parse(*arguments)
    except ValueError as error:
        raise Faulty(column, str(error)) from None


def _strays(folder: Path, file: PaperFile | None, prefix: str) -> list[str]:
    """A file that nothing reads is a fault, never a silent loss."""
    if file is None:
        return []
    named = [f.file for f in (file.model_terms, file.analyses, file.statements) if f]
    read = {SUMMARIES, P_VALUES, *named}
    faults = []
    for path in sorted(folder.glob("*.csv")):
        if path.name not in read:
            remedy = (
                nearest(path.name, read)
                or f" Name it under model_terms, analyses or statements in {PAPER}, or take it away."
            )
            faults.append(f"{prefix}{path.name}: nothing reads this file.{remedy}")
    return faults


def _repeated(paper: Paper, prefix: str) -> Iterator[str]:
    file = paper.file
    names = (
        (SUMMARIES, paper.summaries),
        (P_VALUES, paper.p_values),
        (file.model_terms.file if file.model_terms else "", paper.terms),
        (file.analyses.file if file.analyses else "", paper.analyses),
    )
    for name, rows in names:
        first: dict[str, int] = {}
        for row in rows:
            if row.cell in first:
                at = first[row.cell]
                yield f"{prefix}{name}:{row.line}: {row.cell} is written twice (first on line {at}); keep one"
            first.setdefault(row.cell, row.line)
    of_statement: dict[str, int] = {}
    stated_in = file.statements.file if file.statements else ""
    for stated in paper.statements:
        if stated.statement_id in of_statement:
            at = of_statement[stated.statement_id]
            yield (
                f"{prefix}{stated_in}:{stated.line}: statement_id: {stated.statement_id} is written twice "
                f"(first on line {at}); give each statement an id of its own"
            )
        of_statement.setdefault(stated.statement_id, stated.line)


def _unknown_in_statements(paper: Paper, prefix: str) -> Iterator[str]:
    """Faults for groups and variables of a statement of which the paper prints no number, if it prints
    numbers at all.
    """
    groups = dict.fromkeys(
        [*(s.group for s in paper.summaries), *(g for p in paper.p_values for g in (p.group_a, p.group_b))]
    )
    variables = dict.fromkeys(
        [
            *(s.variable for s in paper.summaries),
            *(p.variable for p in paper.p_values),
            *(t.response for t in paper.terms),
        ]
    )
    file = paper.file.statements.file if paper.file.statements else ""
    for row in paper.statements:
        for column, names, known in (("variable", row.variables, variables), ("groups", row.groups, groups)):
            for name in names:
                if known and name not in known and name != "all":
                    yield (
                        f"{prefix}{file}:{row.line}: {column}: no number is printed of "
                        f'"{name}".{nearest(name, known)} Known: {", ".join(known)}'
                    )


def _unknown_names(paper: Paper, folder: Path, prefix: str) -> Iterator[str]:
    """Faults for cells, variables and responses that paper.yml names but the paper does not print."""
    cells = list(paper.cells())
    variables = dict.fromkeys([*(s.variable for s in paper.summaries), *(t.response for t in paper.terms)])
    within = paper.file.model_terms.within if paper.file.model_terms else {}
    yield from _unknown_in_statements(paper, prefix)
    stated = paper.file.statements
    ids = [row.statement_id for row in paper.statements]
    named: tuple[tuple[tuple[str, ...], Iterable[str], Iterable[str], str], ...] = (
        (("known",), paper.file.known, cells, "cell"),
        (("variables",), paper.file.variables, variables, "variable"),
        (("model_terms", "within"), within, dict.fromkeys(t.response for t in paper.terms), "response"),
        (("statements", "measures"), stated.measures if stated else {}, ids, "statement"),
        (("statements", "first"), stated.first if stated else {}, ids, "statement"),
    )
    for location, spelled, known, word in named:
        for name in spelled:
            if name not in known:
                line = line_of(folder / PAPER, (*location, name))
                where = f"{prefix}{PAPER}:{line}: {'.'.join(location)}"
                yield f'{where}: no printed {word} "{name}".{nearest(name, known)}'
