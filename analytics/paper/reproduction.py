"""A paper's printed values beside those that a study's results hold: one row each, none left out.

Belongs here: which result answers which printed value, and why one that differs does; a row for each
statement too. Does not belong here: the rule of agreement (``printed_numbers.py``), what a statement means
(``statements.py``), what a paper may state (``published.py``), how it looks (``provenance_tables.py``). No
result is made from printed numbers: only this comparison and the audit read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analytics import status
from analytics.paper.printed_numbers import PrintedNumber
from analytics.paper.published import (
    COUNT_PERCENT,
    MEAN_SD,
    MEDIAN_IQR,
    ModelTerms,
    Paper,
    PrintedAnalysis,
    PrintedP,
    PrintedSummary,
    PrintedTerm,
    Within,
)
from analytics.paper.statements import DOES_NOT_HOLD, HOLDS, Evidence, judge
from analytics.study.frames import Record, StudyFrames
from analytics.words.disclosure import known
from analytics.words.wording import status_words

COLUMNS = (
    "position",
    "cell",
    "table_id",
    "quantity",
    "variable",
    "term",
    "group_id",
    "group_a",
    "group_b",
    "printed",
    "computed",
    "agrees",
    "agreement",
    "reason",
    "note",
)
_TYPES = dict.fromkeys(COLUMNS, "string") | {"position": "int64", "agrees": bool}
STATEMENTS = "statements"  # in place of the table that a value is printed in
STATEMENT = "statement"  # quantity of a row that judges a sentence, not a number
AS_PRINTED, DIFFERS = "as printed", "differs"
NOT_EXPLAINED = "not explained"
ADDED = "patients were added since the study"
FEWER = "the registry holds fewer patients than the study"
_NUMBERS_OF = {
    MEAN_SD: ("mean", "sd"),
    MEDIAN_IQR: ("median", "q1", "q3"),
    COUNT_PERCENT: ("count", "percent"),
}


@dataclass(frozen=True)
class Found:
    """What the results hold for a printed value: the text of it, whether and how it agrees, and why not.

    ``note`` is what else is known of the computed value; it may hold counts of patients.
    """

    computed: str | None = None
    agrees: bool = False
    agreement: str = AS_PRINTED
    reason: str = ""
    note: str = ""


def reproduce(
    paper: Paper | None, results: dict[str, pd.DataFrame], evidence: Evidence | None = None
) -> pd.DataFrame:
    """One row per printed value of ``paper``, then one per statement, columns ``COLUMNS``; no rows without a
    paper.

    ``results`` are a study's, by table; ``evidence`` is what statements are judged by. A value that differs
    has a reason: the results have no such row, its method gave no answer, ``paper.yml`` states a known cause,
    the registry's patients are no longer the study's, or the difference is not explained. For a statement,
    ``agreement`` is the verdict and ``computed`` the sentence that says what was found.
    """
    frames = StudyFrames("", results)
    sizes = _Sizes.of(paper, frames) if paper else _Sizes({}, {})
    rows = [_row(paper, sizes, *item) for item in _compared(paper, frames)] if paper else []
    rows += _judged(paper, evidence) if paper and evidence else []
    rows = [{"position": i} | row for i, row in enumerate(rows)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(_TYPES)


@dataclass(frozen=True)
class Agreement:
    """How many printed values agree, how many there are, how many differ unexplained, and how many because
    the registry's patients are no longer the study's.
    """

    agree: int
    total: int
    unexplained: int
    added: int = 0
    fewer: int = 0

    @property
    def differ(self) -> int:
        return self.total - self.agree

    @property
    def differ_words(self) -> str:
        """``153 differ, 0 of them not explained; 153 because patients were added since the study``."""
        words = f"{self.differ} differ, {self.unexplained} of them not explained"
        because = ((self.added, ADDED), (self.fewer, FEWER))
        return words + "".join(f"; {n} because {reason}" for n, reason in because if n)


def agreement(rows: Sequence[Record]) -> Agreement:
    """The count of the printed values among ``rows``; statements are counted elsewhere."""
    rows = [r for r in rows if r.get("quantity") != STATEMENT]
    reasons = [r["reason"] for r in rows if not r["agrees"]]
    counts = (reasons.count(reason) for reason in (NOT_EXPLAINED, ADDED, FEWER))
    return Agreement(sum(bool(r["agrees"]) for r in rows), len(rows), *counts)


def statement_counts(rows: Sequence[Record]) -> dict[str, int]:
    """How many statements among ``rows`` have each verdict, those that hold first."""
    verdicts = [str(r["agreement"]) for r in rows if r.get("quantity") == STATEMENT]
    order = dict.fromkeys([HOLDS, *verdicts]) if verdicts else {}
    return {verdict: verdicts.count(verdict) for verdict in order}


def statement_words(counts: dict[str, int]) -> str:
    """``14 of 16 statements hold; 2 contradicted by the study's own tables``; empty without statements."""
    if not counts:
        return ""
    parts = [f"{counts[HOLDS]} of {sum(counts.values())} statements hold"]
    parts += [
        f"{n} {'do not hold' if verdict == DOES_NOT_HOLD and n > 1 else verdict}"
        for verdict, n in counts.items()
        if verdict != HOLDS
    ]
    return "; ".join(parts)


def _judged(paper: Paper, evidence: Evidence) -> Iterator[dict[str, Any]]:
    """One row per statement."""
    stated, terms = paper.file.statements, paper.file.model_terms
    if stated is None:
        return
    for statement in paper.statements:
        verdict = judge(
            statement, evidence, stated, lambda v: terms.model.replace("{response}", v) if terms else v
        )
        yield {
            "cell": f"{statement.where}/{statement.statement_id}",
            "table_id": STATEMENTS,
            "quantity": STATEMENT,
            "variable": ";".join(statement.variables),
            "printed": statement.statement,
            "computed": verdict.found,
            "agrees": verdict.verdict == HOLDS,
            "agreement": verdict.verdict,
            "reason": "" if verdict.verdict == HOLDS else verdict.verdict,
            "note": "",
        }


def _compared(paper: Paper, frames: StudyFrames) -> Iterator[tuple[str, str, dict[str, Any], Found]]:
    """Cell, printed text, where it stands, and what was found, in print order."""
    where: dict[str, Any]
    for summary in paper.summaries:
        where = {
            "table_id": summary.table,
            "quantity": "summary",
            "variable": summary.variable,
            "group_id": summary.group,
        }
        yield summary.cell, summary.printed, where, _summary(summary, frames)
    for p_value in paper.p_values:
        where = {
            "table_id": p_value.table,
            "quantity": "p_value",
            "variable": p_value.variable,
            "group_a": p_value.group_a,
            "group_b": p_value.group_b,
        }
        yield p_value.cell, p_value.printed, where, _comparison(p_value, frames)
    for term in paper.terms:
        where = {"table_id": term.table, "variable": term.response, "term": term.effect}
        spec = paper.file.model_terms
        assert spec is not None  # it names the file that the terms are read from
        row, missing = _term_row(term, spec, frames)
        within = spec.within.get(term.response)
        statistic = missing or _chi_square(term, row, within)
        yield f"{term.cell}/chi_square", term.chi_square.text, where | {"quantity": "chi_square"}, statistic
        yield (
            f"{term.cell}/p",
            term.p.text,
            where | {"quantity": "p_value"},
            missing or _term_p(term, row, within),
        )
    for analysis in paper.analyses:
        where = {
            "table_id": analysis.table,
            "quantity": "analysis",
            "term": analysis.analysis,
            "group_a": analysis.group_a or None,
            "group_b": analysis.group_b or None,
        }
        yield analysis.cell, analysis.printed, where, _analysis(analysis, paper, frames)


@dataclass(frozen=True)
class _Sizes:
    """The patients of each group, as the paper printed them and as the results count them now."""

    printed: dict[str, int]
    now: dict[str, int]

    @classmethod
    def of(cls, paper: Paper, frames: StudyFrames) -> _Sizes:
        printed: dict[str, int] = {}
        for summary in paper.summaries:
            printed[summary.group] = max(summary.group_size, printed.get(summary.group, 0))
        now = {g: int(row["n"]) for g, row in frames.groups.items() if known(row.get("n"))}
        return cls(printed, now)

    def change(self, where: dict[str, Any]) -> str:
        """How the groups of a printed value have changed since; empty if they have not, or nothing tells.

        A value that names no group (a term of a model) is of all groups.
        """
        named = [g for key in ("group_id", "group_a", "group_b") if (g := where.get(key))]
        groups = [g for g in named or self.printed if g in self.printed and g in self.now]
        if any(self.now[g] > self.printed[g] for g in groups):
            return ADDED
        return FEWER if any(self.now[g] < self.printed[g] for g in groups) else ""


def _row(
    paper: Paper, sizes: _Sizes, cell: str, printed: str, where: dict[str, Any], found: Found
) -> dict[str, Any]:
    return where | {
        "cell": cell,
        "printed": printed,
        "computed": found.computed,
        "agrees": found.agrees,
        "agreement": found.agreement if found.agrees else DIFFERS,
        "reason": found.reason if found.agrees else _why(paper, cell, found, sizes.change(where)),
        "note": found.note,
    }


def _why(paper: Paper, cell: str, found: Found, change: str) -> str:
    """The reason of a value that differs; never empty."""
    if found.reason:
        return found.reason
    stated = paper.file.known.get(cell)
    if stated is not None and stated.computed in (None, found.computed):
        return stated.why
    return change or NOT_EXPLAINED


def _summary(printed: PrintedSummary, frames: StudyFrames) -> Found:
    rows = frames.rows(
        "baseline_summary", table_id=printed.table, variable=printed.variable, group_id=printed.group
    )
    if not rows:
        return _absent("baseline_summary", f"table {printed.table}, {printed.variable}, {printed.group}")
    row = rows[0]
    if row["kind"] != printed.kind:
        return Found(
            row["display"], reason=f"printed as {printed.kind}; the study file summarises it as {row['kind']}"
        )
    values = [row[name] for name in _NUMBERS_OF[printed.kind][: len(printed.numbers)]]
    if not known(values[0]):
        return (
            _unanswered(row)
            if row["status"] != status.OK
            else Found(row["display"], reason="hidden by a detection limit")
        )
    return Found(
        _like(printed.printed, printed.numbers, values),
        all(number.admits(value) for number, value in zip(printed.numbers, values, strict=True)),
        note=_counted(printed.group_size, row),
    )


def _counted(group_size: int, row: Record) -> str:
    return "" if row["n"] == group_size else f"{row['n']} of the header's {group_size} have a value"


def _comparison(printed: PrintedP, frames: StudyFrames) -> Found:
    of_variable = frames.rows("group_comparison", table_id=printed.table, variable=printed.variable)
    pair = {printed.group_a, printed.group_b}
    rows = [row for row in of_variable if {row["group_a"], row["group_b"]} == pair]
    if not rows:
        return _absent(
            "group_comparison", f"table {printed.table}, {printed.variable}, {' and '.join(sorted(pair))}"
        )
    return _number(printed.number, rows[0], rows[0]["p_value"])


def _term_row(printed: PrintedTerm, spec: ModelTerms, frames: StudyFrames) -> tuple[Record, Found | None]:
    model = spec.model.replace("{response}", printed.response)
    rows = frames.rows("mixed_model_term", model_id=model, term=printed.effect, test=spec.test)
    if not rows:
        return {}, _absent("mixed_model_term", f"model {model}, term {printed.effect}, test {spec.test}")
    return rows[0], None


def _chi_square(printed: PrintedTerm, row: Record, within: Within | None) -> Found:
    found = _number(printed.chi_square, row, row["statistic"])
    if known(row["df_num"]) and row["df_num"] != printed.df:
        df = f"{row['df_num']:g}"
        return Found(
            f"{found.computed} on {df} df", reason=f"printed on {printed.df} df; the model's term has {df}"
        )
    if within and not found.agrees and known(row["statistic"]):
        near = abs(row["statistic"] - printed.chi_square.value) <= within.chi_square
        return _tolerated(found, near, f"within {within.chi_square:g}", within)
    return found


def _term_p(printed: PrintedTerm, row: Record, within: Within | None) -> Found:
    """With a tolerance of the chi-square, p may be the p value of any chi-square within the tolerance."""
    from scipy import special

    found = _number(printed.p, row, row["p_value"])
    if not within or found.agrees or not known(row["p_value"]):
        return found
    ends = [printed.chi_square.value + d for d in (within.chi_square, -within.chi_square)]
    low, high = special.chdtrc(printed.df, ends)
    words = f"as a chi-square within {within.chi_square:g} gives"
    return _tolerated(found, bool(low <= row["p_value"] <= high), words, within)


def _tolerated(found: Found, near: bool, words: str, within: Within) -> Found:
    return replace(found, agrees=True, agreement=words, reason=within.why) if near else found


def _analysis(printed: PrintedAnalysis, paper: Paper, frames: StudyFrames) -> Found:
    assert paper.file.analyses is not None  # it names the file that the analyses are read from
    lookup = paper.file.analyses.lookup[printed.analysis]
    wanted = dict(lookup.where)
    if printed.group_a:
        wanted |= {"group_a": printed.group_a, "group_b": printed.group_b}
    columns = frames.frames.get(lookup.table, pd.DataFrame()).columns
    asked = [*wanted, *lookup.values] if len(columns) else []
    if unknown := [name for name in asked if name not in columns and name not in ("group_a", "group_b")]:
        return Found(reason=f"results.{lookup.table} has no column {', '.join(unknown)}")
    wanted = {name: value for name, value in wanted.items() if name in columns}
    rows = [r for r in frames.rows(lookup.table) if all(str(r[k]) == v for k, v in wanted.items())]
    if len(rows) != 1:
        said = ", ".join(f"{k} {v}" for k, v in wanted.items())
        return (
            _absent(lookup.table, said)
            if not rows
            else Found(
                reason=f"{len(rows)} rows of results.{lookup.table} fit {said}; state more under where"
            )
        )
    row = rows[0]
    values = [row[name] for name in lookup.values]
    if not known(values[0]):
        return _unanswered(row)
    agrees = all(number.admits(value) for number, value in zip(printed.numbers, values, strict=True))
    return Found(_like(printed.printed, printed.numbers, values), agrees, note=_remark(row))


def _number(printed: PrintedNumber, row: Record, value: float | None) -> Found:
    if not known(value):
        return _unanswered(row)
    return Found(printed.like(value), printed.admits(value), note=_remark(row))


def _absent(table: str, what: str) -> Found:
    return Found(reason=f"results.{table} has no row for {what}: the study file does not ask for it")


def _unanswered(row: Record) -> Found:
    return Found(
        reason=f"not computed: {status_words(row['status']) or 'no number'}", note=row.get("note") or ""
    )


def _remark(row: Record) -> str:
    if row.get("status", status.OK) == status.OK:
        return ""
    return ": ".join(filter(None, [f"the model is {status_words(row['status'])}", row.get("note")]))


def _like(printed: str, numbers: Sequence[PrintedNumber], values: Sequence[float | None]) -> str:
    """The computed numbers in the printed frame, each at the precision of the printed one in its place."""
    text, start = "", 0
    for number, value in zip(numbers, values, strict=True):
        at = printed.index(number.text, start)
        text += printed[start:at] + number.like(value)
        start = at + len(number.text)
    return text + printed[start:]
