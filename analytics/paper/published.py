"""A paper's printed numbers as data: what a folder ``published/<study>/`` may say.

Belongs here: the shapes of its files, and what a printed summary holds. Does not belong here: reading files
(``orchestration/registry/published.py``), comparing with results (``reproduction.py``), auditing
(``audit/``).

``paper.yml`` says what the paper is and how its numbers are to be looked up; the numbers stand in CSV files,
one row per printed cell. docs/published.md is the guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from analytics.paper.printed_numbers import NUMBER, PrintedNumber, comma_hint
from yaml_files.strict import Id, Strict

SummaryKind = Literal["mean_sd", "median_iqr", "count_percent"]
MEAN_SD, MEDIAN_IQR, COUNT_PERCENT = "mean_sd", "median_iqr", "count_percent"
StatedTest = Literal["student_t", "welch_t", "mann_whitney", "fisher", "chi_square", "not_stated"]

# how many groups and visits a statement of each kind names; "all" is any number of both
STATEMENT_KINDS = {
    "rises": ("1 or more", "2 or more"),
    "falls": ("1 or more", "2 or more"),
    "normal": ("1 or more", "1 or more"),
    "stable": ("1 or more", "2 or more"),
    "below": ("2", "1 or more"),
    "above": ("2", "1 or more"),
    "below_significantly": ("2", "1 or more"),
    "no_difference": ("2", "1 or more"),
    "association": ("1", "none"),
    "kind of relapse": ("1 or more", "none"),
}
CONTRADICTS = "contradicts "

_SEPARATOR = r"\s*(?:,|;|–|-|to)\s*"
_SHAPES = {
    MEAN_SD: re.compile(rf"({NUMBER})(?:\s*(?:±|\+/-)\s*({NUMBER})|\s*\(({NUMBER})\))?"),
    MEDIAN_IQR: re.compile(rf"({NUMBER})\s*[(\[]({NUMBER}){_SEPARATOR}({NUMBER})[)\]]"),
    COUNT_PERCENT: re.compile(rf"({NUMBER})\s*\(({NUMBER})\s*%?\)"),
}
_EXAMPLES = {
    MEAN_SD: "31.33 ± 11.80",
    MEDIAN_IQR: "3792 (893, 5126)",
    COUNT_PERCENT: "7 (38.89)",
}


class Within(Strict):
    """A stated tolerance: the chi-square may differ by this much, and its p value by as much as follows from
    that.
    """

    chi_square: float = Field(gt=0)
    why: str = Field(min_length=1)


class ModelTerms(Strict):
    """A printed table of chi-square tests of a model's terms, one row per response and effect."""

    file: str = "model_terms.csv"
    table: str = Field(
        description="The table's number or name as printed, the first part of its cells' names."
    )
    model: str = Field("{response}", description="model_id in results; {response} stands for the row's.")
    test: Literal["wald_chi_square"] = "wald_chi_square"
    within: dict[Id, Within] = Field(
        default_factory=dict, description="By response: a tolerance, with its reason."
    )


class Lookup(Strict):
    """Where the results hold what an analysis printed: one row of ``table`` in which ``where`` holds."""

    table: Literal["log_rank", "mixed_model_term", "mixed_model_parameter", "visit_contrast", "cox_term"]
    where: dict[str, str] = Field(
        default_factory=dict, description="Column: value. The row's groups are added."
    )
    values: list[str] = Field(
        ["p_value"], min_length=1, description="Columns, in the order of the printed numbers."
    )


class Analyses(Strict):
    """Numbers printed in the text or a figure, one row each; every name in column `analysis` is looked up."""

    file: str = "analyses.csv"
    table: str = Field("text", description="Where they are printed, the first part of their cells' names.")
    lookup: dict[Id, Lookup]


class Limits(Strict):
    """Between which values a variable is normal, and who says so."""

    low: float
    high: float
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def ordered(self) -> Limits:
        if self.low >= self.high:
            raise ValueError("expected low < high")
        return self


class Measure(Strict):
    """What a statement of kind `association` compares between patients with and without the endpoint."""

    measure: Literal["level", "fall"] = Field(
        description="level: the value at the last visit; fall: by what share of the first visit's value it "
        "has fallen by then."
    )
    visits: list[str] = Field(min_length=1, max_length=2)
    with_endpoint: Literal["lower", "higher"] = Field(
        description="On which side the statement expects the patients with the endpoint."
    )

    @model_validator(mode="after")
    def enough_visits(self) -> Measure:
        if (wanted := 2 if self.measure == "fall" else 1) != len(self.visits):
            raise ValueError(
                f"a {self.measure} has {wanted} visit{'s' if wanted > 1 else ''}; found {len(self.visits)}"
            )
        return self


class Statements(Strict):
    """What the text states in words, one row per statement."""

    file: str = "statements.csv"
    limits: dict[Id, Limits] = Field(default_factory=dict, description="By variable: what is normal.")
    measures: dict[str, Measure] = Field(
        default_factory=dict, description="By statement of kind association: what is compared."
    )
    first: dict[str, list[Id]] = Field(
        default_factory=dict,
        description="By statement of kind `kind of relapse`: the groups whose relapses differ from the "
        "others'.",
    )


class Known(Strict):
    """Why the registry cannot reproduce a printed value, with the evidence."""

    why: str = Field(min_length=1)
    computed: str | None = Field(
        None,
        description="The value that is computed instead. The reason counts only while this value is "
        "computed.",
    )


class PrintedVariable(Strict):
    """What a variable can be, for the audit: whole numbers, their range, the number of items averaged."""

    whole: bool = Field(False, description="Every patient's value is a whole number.")
    items: int = Field(
        1, ge=1, description="For a mean of items: the number of items. Values are multiples of 1/items."
    )
    low: float | None = Field(None, description="The lowest value that the scale has.")
    high: float | None = Field(None, description="The highest value that the scale has.")

    @model_validator(mode="after")
    def ordered(self) -> PrintedVariable:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("expected low < high")
        return self


class Tests(Strict):
    """Which test the paper's Methods state for each kind of row."""

    mean_sd: StatedTest = "not_stated"
    median_iqr: StatedTest = "not_stated"
    count_percent: StatedTest = "not_stated"


class PaperFile(Strict):
    """paper.yml"""

    title: str
    citation: str = ""
    model_terms: ModelTerms | None = None
    analyses: Analyses | None = None
    statements: Statements | None = None
    known: dict[str, Known] = Field(
        default_factory=dict, description="By cell: why the registry cannot reproduce the printed value."
    )
    tests: Tests = Tests()
    variables: dict[Id, PrintedVariable] = Field(default_factory=dict)
    stars: dict[str, float] = Field(
        default_factory=dict, description="What a mark beside a p value says: its bound."
    )

    @field_validator("stars")
    @classmethod
    def bounds(cls, value: dict[str, float]) -> dict[str, float]:
        if wrong := [mark for mark, bound in value.items() if not 0 < bound < 1]:
            raise ValueError(f"a bound lies between 0 and 1, as 0.05; not so for {', '.join(wrong)}")
        return value


@dataclass(frozen=True)
class PrintedSummary:
    """A group's summary. ``numbers``: mean, SD | median, quartiles | count, percent; an SD may be missing."""

    line: int
    table: str
    variable: str
    group: str
    group_size: int
    kind: str
    printed: str
    numbers: tuple[PrintedNumber, ...]

    @property
    def cell(self) -> str:
        return f"{self.table}/{self.variable}/{self.group}"


@dataclass(frozen=True)
class PrintedP:
    """The p value of a comparison, and the stars beside it where the paper has them."""

    line: int
    table: str
    variable: str
    group_a: str
    group_b: str
    printed: str
    number: PrintedNumber
    stars: str | None = None

    @property
    def cell(self) -> str:
        return f"{self.table}/{self.variable}/{self.group_a}:{self.group_b}"


@dataclass(frozen=True)
class PrintedTerm:
    """The chi-square test of a model's term: two printed values."""

    line: int
    table: str
    response: str
    effect: str
    chi_square: PrintedNumber
    df: int
    p: PrintedNumber

    @property
    def cell(self) -> str:
        return f"{self.table}/{self.response}/{self.effect}"


@dataclass(frozen=True)
class PrintedAnalysis:
    """Numbers printed together outside the tables."""

    line: int
    table: str
    analysis: str
    group_a: str
    group_b: str
    printed: str
    numbers: tuple[PrintedNumber, ...]

    @property
    def cell(self) -> str:
        pair = f"/{self.group_a}:{self.group_b}" if self.group_a else ""
        return f"{self.table}/{self.analysis}{pair}"


@dataclass(frozen=True)
class PrintedStatement:
    """A sentence of the text about a variable in groups over visits. ``contradicts`` names the paper's own
    table.

    ``visits`` is ("all",) for every visit of the schedule, and empty where the kind has none.
    """

    line: int
    statement_id: str
    where: str
    statement: str
    variables: tuple[str, ...]
    groups: tuple[str, ...]
    visits: tuple[str, ...]
    kind: str
    contradicts: str | None = None


@dataclass(frozen=True)
class Paper:
    """A paper's printed numbers, read and checked."""

    name: str
    file: PaperFile
    summaries: tuple[PrintedSummary, ...] = ()
    p_values: tuple[PrintedP, ...] = ()
    terms: tuple[PrintedTerm, ...] = ()
    analyses: tuple[PrintedAnalysis, ...] = ()
    statements: tuple[PrintedStatement, ...] = ()

    def cells(self) -> Iterator[str]:
        """The name of every printed value, in print order."""
        yield from (row.cell for row in self.summaries)
        yield from (row.cell for row in self.p_values)
        for row in self.terms:
            yield from (f"{row.cell}/chi_square", f"{row.cell}/p")
        yield from (row.cell for row in self.analyses)

    def as_data(self) -> dict[str, Any]:
        """Everything it says, for a digest."""
        return asdict(self) | {"file": self.file.model_dump(mode="json")}


def parse_summary(kind: str, printed: str) -> tuple[PrintedNumber, ...]:
    """The numbers of a printed summary. Raises ValueError with one sentence."""
    match = _SHAPES[kind].fullmatch(printed.strip())
    if match is None:
        raise ValueError(f'expected a {kind} as {_EXAMPLES[kind]}; found "{printed}"{comma_hint(printed)}')
    return tuple(PrintedNumber.parse(part) for part in match.groups() if part is not None)


def parse_numbers(printed: str, how_many: int) -> tuple[PrintedNumber, ...]:
    """``how_many`` numbers, as ``0.03`` or ``2.31 (1.10, 4.90)``. Raises ValueError with one sentence."""
    found = re.findall(NUMBER, printed)
    if len(found) != how_many:
        wanted = "one number" if how_many == 1 else f"{how_many} numbers"
        raise ValueError(f'expected {wanted}; found "{printed}"{comma_hint(printed)}')
    return tuple(PrintedNumber.parse(part) for part in found)
