"""Suites and waivers as data: the shape of `raw.yml`, `marts.yml` and a registry's waivers, checked when they
are read.

Belongs here: what a rule may say. Does not belong here: how it is run (`runner.py`). Nothing here imports
Great Expectations, so that reading a suite is cheap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from yaml_files.strict import Strict
from yaml_files.yaml_file import ConfigurationError, line_of, nearest, read_model

ROWS = "unexpected_rows_expectation"
ROW_COUNT = "expect_table_row_count_to_be_between"

# Expectations whose results are counts; a minimum or a mean would bring out a patient's value.
COLUMN_EXPECTATIONS: dict[str, tuple[str, ...]] = {
    "expect_column_values_to_not_be_null": (),
    "expect_column_values_to_be_null": (),
    "expect_column_values_to_be_in_set": ("value_set",),
    "expect_column_values_to_not_be_in_set": ("value_set",),
    "expect_column_values_to_be_between": ("min_value", "max_value", "strict_min", "strict_max"),
    "expect_column_value_lengths_to_be_between": ("min_value", "max_value"),
    "expect_column_value_lengths_to_equal": ("value",),
}
WHOLE_TABLE_EXPECTATIONS: dict[str, tuple[str, ...]] = {
    "expect_column_values_to_be_unique": (),
    "expect_column_pair_values_a_to_be_greater_than_b": ("or_equal",),
    "expect_column_pair_values_to_be_equal": (),
    "expect_compound_columns_to_be_unique": (),
    ROW_COUNT: ("min_value", "max_value"),
}
EXPECTATIONS = {**COLUMN_EXPECTATIONS, **WHOLE_TABLE_EXPECTATIONS, ROWS: ()}
COLUMNS_NAMED = {
    "expect_column_pair_values_a_to_be_greater_than_b": (2, 2),
    "expect_column_pair_values_to_be_equal": (2, 2),
    "expect_compound_columns_to_be_unique": (2, 99),
    ROW_COUNT: (0, 0),
    ROWS: (0, 99),
}

# Columns by which a rule may be judged: they hold names of catalogue and registry, never a hospital's text.
NAMES = (
    "antibody_id",
    "assay_id",
    "concept_id",
    "definition_id",
    "delivery",
    "endpoint",
    "entity",
    "event_id",
    "fact",
    "part",
    "sender_id",
    "treatment_id",
)
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
BUILT_IN = ("schema", "table", "today")
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


class Parameter(Strict):
    """A text that a run passes to the suite. Without ``default`` it must be passed."""

    note: str
    default: str | None = None


class Rule(Strict):
    """One rule of a suite, on one table or on several."""

    id: str
    table: str | list[str]
    column: str | list[str] | None = None
    expectation: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    rows: str | None = Field(None, description="SQL: a row per thing examined, with is_unexpected.")
    mostly: float = Field(1.0, ge=0, le=1, description="Least share of rows that are as expected.")
    severity: Literal["blocking", "warning"]
    where: str | None = Field(None, description="SQL condition: only these rows are examined.")
    per: Literal["hospital"] | None = Field(None, description="Judged for each hospital by itself.")
    each: str | None = Field(None, description="A column of names; each is judged by itself.")
    at_least: int = Field(1, ge=1, description="Groups with fewer rows examined are not judged.")
    means: str = Field(description="One sentence: what is expected, and why.")
    note: str | None = Field(None, description="Where the threshold comes from.")
    remedy: str | None = Field(None, description="What to do when it does not hold.")

    @property
    def tables(self) -> list[str]:
        return [self.table] if isinstance(self.table, str) else self.table

    @property
    def columns(self) -> list[str]:
        return [] if self.column is None else [self.column] if isinstance(self.column, str) else self.column

    @property
    def group_by(self) -> list[str]:
        return (["hospital_id"] if self.per else []) + ([self.each] if self.each else [])

    @property
    def is_judged_in_groups(self) -> bool:
        return bool(self.group_by) or self.at_least > 1

    @field_validator("id")
    @classmethod
    def lower_snake_case(cls, value: str) -> str:
        if not IDENTIFIER.fullmatch(value):
            raise ValueError("expected an id in lower snake case")
        return value

    @field_validator("expectation")
    @classmethod
    def known_expectation(cls, value: str) -> str:
        if value not in EXPECTATIONS:
            raise ValueError(
                f'no expectation "{value}" whose result is counts and no '
                f"values.{nearest(value, EXPECTATIONS)} Known: {', '.join(EXPECTATIONS)}; for any other "
                f"question use {ROWS} with rows"
            )
        return value

    @field_validator("each")
    @classmethod
    def name_and_not_value(cls, value: str | None) -> str | None:
        if value is not None and value not in NAMES:
            raise ValueError(
                f'the values of "{value}" may be texts that a hospital wrote, which no result may '
                f"show.{nearest(value, NAMES)} Known: {', '.join(NAMES)}"
            )
        return value

    @model_validator(mode="after")
    def consistent(self) -> Rule:
        self._check_arguments()
        fewest, most = COLUMNS_NAMED.get(self.expectation, (1, 1))
        if not fewest <= len(self.columns) <= most:
            wanted = "no column" if most == 0 else f"{fewest} column{'s' * (fewest > 1)}"
            raise ValueError(f"{self.expectation} takes {wanted}; found {len(self.columns)}")
        if (self.expectation == ROWS) != (self.rows is not None):
            raise ValueError(f"rows and {ROWS} go together: give both or neither")
        if self.rows is not None and "is_unexpected" not in self.rows:
            raise ValueError("rows must give is_unexpected: true, false, or null where it does not apply")
        if self.is_judged_in_groups and self.expectation in WHOLE_TABLE_EXPECTATIONS:
            raise ValueError(f"{self.expectation} judges a whole table; per, each, at_least do not apply")
        if (self.mostly < 1 or self.at_least > 1 or _numbers(self.kwargs)) and not self.note:
            raise ValueError("a threshold has a note that says where it comes from; add note")
        return self

    def _check_arguments(self) -> None:
        known = EXPECTATIONS[self.expectation]
        for name in self.kwargs:
            if name not in known:
                raise ValueError(
                    f'{self.expectation} has no argument "{name}".{nearest(name, known)}'
                    f" Its arguments: {', '.join(known) or 'none'}"
                )
        if self.expectation == ROW_COUNT and self.mostly < 1:
            raise ValueError("mostly does not apply to a count of rows; state min_value and max_value")


class Suite(Strict):
    """A suite: the tables it asks, what a run hands to it, and its rules in order."""

    suite: str
    layer: str
    schema_name: str = Field(alias="schema")
    description: str
    tables: list[str] = Field(min_length=1)
    restrict: str | None = Field(None, description="SQL condition that every table is restricted by.")
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    rules: list[Rule] = Field(min_length=1)

    @field_validator("rules")
    @classmethod
    def named_once(cls, value: list[Rule]) -> list[Rule]:
        ids = [rule.id for rule in value]
        if twice := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"these ids are listed twice: {', '.join(twice)}")
        return value


@dataclass(frozen=True)
class Waiver:
    """An expectation that a registry lets fail for a time: for all hospitals or one, for all items or one."""

    expectation: str
    owner: str
    reason: str
    expires: date
    hospital: str | None = None
    item: str | None = None


class WaiverEntry(Strict):
    expectation: str
    hospital: str | None = None
    item: str | None = Field(None, description="Of a rule judged for each concept, the one that is waived.")
    owner: str = Field(min_length=1, description="Who answers for it.")
    reason: str = Field(min_length=1)
    expires: date = Field(description="The last day on which it holds; after it the expectation fails again.")


class WaiverFile(Strict):
    """waivers.yml: expectations that a registry lets fail for a time."""

    waivers: list[WaiverEntry]


@cache
def load_suite(path: Path) -> Suite:
    """Read a suite; raise ConfigurationError with every fault as ``file:line: key: what was found and
    expected``."""
    suite = read_model(path, Suite)
    faults = [
        f"{path.name}:{line_of(path, ('rules', number, key))}: rules[{number}].{key}: {fault}"
        for number, rule in enumerate(suite.rules)
        for key, fault in _faults_of_names(suite, rule)
    ]
    if faults:
        raise ConfigurationError(faults)
    return suite


def load_waivers(path: Path, suites: Iterable[Suite] = ()) -> tuple[Waiver, ...]:
    """Read a registry's waivers. If ``suites`` are given, a waiver of an expectation that none of them has is
    a fault.
    """
    file = read_model(path, WaiverFile)
    known = {rule.id: rule for suite in suites for rule in suite.rules}
    faults = [
        f"{path.name}:{line_of(path, ('waivers', number, 'expectation'))}: waivers[{number}].expectation:"
        f' no expectation "{entry.expectation}" in any suite.{nearest(entry.expectation, known)}'
        for number, entry in enumerate(file.waivers)
        if known and entry.expectation not in known
    ]
    if faults:
        raise ConfigurationError(faults)
    return tuple(Waiver(**entry.model_dump()) for entry in file.waivers)


def _faults_of_names(suite: Suite, rule: Rule) -> Iterable[tuple[str, str]]:
    for table in rule.tables:
        if table not in suite.tables:
            known = ", ".join(suite.tables)
            yield "table", f'no table "{table}" here.{nearest(table, suite.tables)} Its tables: {known}'
    names = (*BUILT_IN, *suite.tables, *suite.parameters)
    for key, text in (("rows", rule.rows), ("where", rule.where)):
        for name in PLACEHOLDER.findall(text or ""):
            if name not in names:
                known = ", ".join(names)
                yield key, f"no table or parameter {{{name}}} here.{nearest(name, names)} Known: {known}"


def _numbers(kwargs: dict[str, Any]) -> bool:
    return any(isinstance(v, int | float) and not isinstance(v, bool) for v in kwargs.values())
