"""A study file as a whole: which parts it has, and whether they go together.

Belongs here: the pydantic model of `studies/<study>.yml`, and what its parts name of each other. Does not
belong here: the parts (`groups_and_variables.py`, `analyses.py`, `sensitivity_keys.py`), computing
(`results.py`), reading files (`orchestration/registry/folder.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from analytics.declared_tests import BOUNDED, COUNT, MANY, MEASUREMENT, NO_TEST, TWO, statistical_tests
from analytics.study.analyses import (
    BaselineTable,
    CompetingRisks,
    CoxModel,
    MixedModel,
    RecurrentEvents,
    RepeatedMeasures,
    SurvivalAnalysis,
    TableRow,
)
from analytics.study.groups_and_variables import ORIGINS, Endpoint, Group, Variable
from analytics.study.parts import LEVELS, Label, PatientColumn
from analytics.study.sensitivity_keys import MissingValues, RestrictedMeans, Sensitivity
from yaml_files.strict import Fault, Id, PlacedFaults, Strict


class Study(Strict):
    """studies/<study>.yml"""

    study: Id
    title: Label
    description: str = ""
    origin: str = Field("", description="The publication that the study reproduces.")
    groups: dict[Id, Group] = Field(min_length=1)
    one_row_per_person: bool = Field(
        False,
        description="A person linked across hospitals counts once, at the hospital of their earliest"
        " baseline. Without it they count at each, and a finding says so.",
    )
    endpoints: dict[Id, Endpoint] = Field(default_factory=dict)
    variables: dict[Id, Variable] = Field(min_length=1)
    tables: list[BaselineTable] = Field(default_factory=list)
    mixed_models: list[MixedModel] = Field(default_factory=list)
    survival: list[SurvivalAnalysis] = Field(default_factory=list)
    cox: list[CoxModel] = Field(default_factory=list)
    repeated_measures: list[RepeatedMeasures] = Field(default_factory=list)
    competing_risks: list[CompetingRisks] = Field(default_factory=list)
    recurrent_events: list[RecurrentEvents] = Field(default_factory=list)
    sensitivity: list[Sensitivity] = Field(
        default_factory=list, description="Analyses beside the printed ones."
    )

    @model_validator(mode="after")
    def names_exist(self) -> Study:
        faults = [*self._unknown_names(), *self._unfitting(), *self._twice()]
        if faults:
            raise PlacedFaults(faults)
        return self

    def visits_named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Each visit that the study names, with its place in the file."""
        for section in ("tables", "mixed_models", "repeated_measures", "sensitivity"):
            for i, part in enumerate(getattr(self, section)):
                if hasattr(part, "visit"):
                    yield (section, i, "visit"), part.visit
                for j, visit in enumerate(getattr(part, "visits", ())):
                    yield (section, i, "visits", j), visit
        for name, endpoint in self.endpoints.items():
            if endpoint.origin not in ORIGINS:
                yield ("endpoints", name, "origin"), endpoint.origin

    def definitions_named(self) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
        """Each definition that a variable reads, with its place, and whether it has to have levels."""
        for name, variable in self.variables.items():
            if variable.source.startswith("definition"):
                place = ("variables", name, "of" if variable.of else "source")
                yield place, variable.of or name, variable.at_least is not None
        for name, group in self.groups.items():
            for definition, wanted in group.definitions.items():
                yield ("groups", name, "definitions", definition), definition, wanted in LEVELS

    def ids_named(self) -> Iterator[tuple[tuple[str | int, ...], Literal["concept", "event"], str]]:
        """Each id of the clinical catalogue that the study names, with its place and what it should be."""
        for name, variable in self.variables.items():
            place = ("variables", name)
            if variable.source == "observation":
                yield (*place, *(("of",) if variable.of else ())), "concept", variable.of or name
            elif variable.source == "event":
                yield (*place, *(("of",) if variable.of else ())), "event", variable.of or name
            for key in ("numerator", "denominator"):
                if (concept := getattr(variable, key)) is not None:
                    yield (*place, key), "concept", concept
        for name, endpoint in self.endpoints.items():
            for key in ("events", "competing"):
                for i, event in enumerate(getattr(endpoint, key)):
                    yield ("endpoints", name, key, i), "event", event
        for name, group in self.groups.items():
            for event in group.events:
                yield ("groups", name, "events", event), "event", event

    def values_named(self) -> Iterator[tuple[tuple[str, ...], PatientColumn, str]]:
        """Each value of a patient's column that a group or a variable asks for: its place, the column, the
        value.
        """
        for group, spec in self.groups.items():
            for column, wanted in spec.where.items():
                for value in [wanted] if isinstance(wanted, str) else wanted:
                    yield ("groups", group, "where", column), column, value
        for name, variable in self.variables.items():
            if (asked := variable.patient_column) is not None and variable.equals is not None:
                yield ("variables", name, "equals"), asked, variable.equals

    def _parts(self) -> Iterator[tuple[tuple[str | int, ...], str, Strict]]:
        """Every part that names things of the study: its place, the words that an error calls it by."""
        for section, called in SECTIONS.items():
            for i, part in enumerate(getattr(self, section)):
                yield (section, i), called.format(part), part

    def _models(self) -> list[MixedModel | CoxModel | RepeatedMeasures | CompetingRisks | RecurrentEvents]:
        return [
            *self.mixed_models,
            *self.cox,
            *self.repeated_measures,
            *self.competing_risks,
            *self.recurrent_events,
        ]

    def _unknown_names(self) -> Iterator[Fault]:
        known = {
            "group": list(self.groups),
            "variable": list(self.variables),
            "endpoint": list(self.endpoints),
            "table": [t.table_id for t in self.tables],
            "model": [m.model_id for m in self._models()],
        }
        named = [
            (at + end, part, kind, name) for at, part, p in self._parts() for end, kind, name in _names_in(p)
        ]
        named += [
            (("variables", n), f"variable {n}", "endpoint", v.of or n)
            for n, v in self.variables.items()
            if v.source == "endpoint"
        ]
        for at, part, kind, name in named:
            if name not in known[kind]:
                near = difflib.get_close_matches(name, known[kind], n=1)
                hint = f' Did you mean "{near[0]}"?' if near else ""
                there = ", ".join(known[kind]) or "none"
                yield Fault(at, part, f'no {kind} "{name}"; the study has {there}.{hint}')

    def _unfitting(self) -> Iterator[Fault]:
        """Names that exist and do not go together."""
        with_means = {s.endpoint for s in self.survival if s.restricted_mean_months}
        mixed = {m.model_id for m in self.mixed_models}
        for at, part, p in self._parts():
            reference, groups = getattr(p, "reference", None), getattr(p, "groups", [])
            if reference in self.groups and reference not in groups:
                sentence = f'the reference "{reference}" is not among its groups {", ".join(groups)}'
                yield Fault((*at, "reference"), part, sentence)
            if isinstance(p, BaselineTable):
                for i, row in enumerate(p.rows):
                    sentences = self._unfitting_row(row, p)
                    yield from (Fault((*at, "rows", i), part, sentence) for sentence in sentences)
            if isinstance(p, RestrictedMeans) and p.endpoint not in with_means:
                yield Fault(
                    (*at, "endpoint"), part, f"write restricted_mean_months under survival of {p.endpoint}"
                )
            if isinstance(p, MissingValues) and (others := [m for m in p.models if m not in mixed]):
                sentence = f"{', '.join(others)}: only mixed_models have a response at every visit"
                yield Fault((*at, "models"), part, sentence)
            named = str(getattr(p, "endpoint", ""))
            endpoint = self.endpoints.get(named)
            if endpoint is not None and endpoint.is_truncated and (told := _without_late_entry(p)):
                key, what = told
                begin = endpoint.origin.replace("_", " ")
                sentence = (
                    f"{what} cannot take late entry into account, and the time to {named} begins at "
                    f"{begin}; leave {what} out, or write left_truncation: false under endpoints.{named}"
                )
                yield Fault((*at, key), part, sentence)

    def _unfitting_row(self, row: TableRow, table: BaselineTable) -> Iterator[str]:
        """Tests that are not for the variable as it is summarised, and summaries that its bounds do not
        allow.
        """
        variable = self.variables.get(row.variable)
        if variable is None:
            return
        bounded = statistical_tests(BOUNDED)
        if table.window is not None and variable.source == "event" and variable.when == "visit":
            yield (
                f"{row.variable}: an event at the visit has no window; write when: ever, or leave window out"
            )
        if row.transform != "none" and variable.censored == "bounds":
            yield f"{row.variable}: tests of bounds are the same on every scale; leave transform out"
        if row.transform != "none" and row.summary == "count_percent":
            yield (
                f"{row.variable}: transform {row.transform} is for a mean or median; found summary "
                "count_percent"
            )
        tests = [test for test in (row.test, *row.tests.values()) if test != NO_TEST]
        if variable.censored == "bounds":
            overall = [row.overall] if row.overall != NO_TEST else []
            if row.summary != "median_iqr" or any(test not in bounded for test in (*tests, *overall)):
                said = ", ".join([*(tests or [NO_TEST]), *overall])
                yield (
                    f"{row.variable}: censored: bounds goes with summary median_iqr and test"
                    f" {', '.join(bounded)} or none; found {row.summary}, {said}"
                )
            return
        if censored := [test for test in tests if test in bounded]:
            yield (
                f"{row.variable}: {censored[0]} needs the variable's censored: bounds; found "
                f"{variable.censored}"
            )
            return
        response = COUNT if row.summary == "count_percent" else MEASUREMENT
        for key, named, size in (("test", tests, TWO), ("overall", [row.overall], MANY)):
            fitting = statistical_tests(response, groups=size)
            for test in dict.fromkeys(name for name in named if name not in fitting and name != NO_TEST):
                yield (
                    f"{row.variable}: {key} {test} is not for summary {row.summary}; expected "
                    f"{', '.join(fitting)} or none"
                )
        if row.overall != NO_TEST and len(table.groups) < 2:
            yield (
                f"{row.variable}: overall {row.overall} needs two groups or more; the table has "
                f"{', '.join(table.groups)}"
            )

    def _twice(self) -> Iterator[Fault]:
        seen: set[tuple[str, str]] = set()
        for at, part, p in self._parts():
            for kind in ("table_id", "model_id", "analysis_id"):
                name = getattr(p, kind, None)
                if name is not None and (kind, name) in seen:
                    yield Fault((*at, kind), part, f'{kind} "{name}" is listed twice; keep one')
                seen.add((kind, str(name)))


def _without_late_entry(part: Strict) -> tuple[str, str] | None:
    """The key of a part that asks for a method that takes everybody as at risk from the origin on, and the
    method's name.
    """
    if isinstance(part, SurvivalAnalysis) and part.method == "exact":
        return "method", "the exact log-rank test"
    if isinstance(part, CompetingRisks) and part.terms:
        return "terms", "Fine and Gray's model"
    return ("endpoint", f"sensitivity {getattr(part, 'kind', '')}") if hasattr(part, "analysis_id") else None


# sections whose parts name other things of the study, and what an error calls such a part
SECTIONS = {
    "tables": "table {0.table_id}",
    "mixed_models": "{0.model_id}",
    "survival": "survival of {0.endpoint}",
    "cox": "{0.model_id}",
    "repeated_measures": "{0.model_id}",
    "competing_risks": "{0.model_id}",
    "recurrent_events": "{0.model_id}",
    "sensitivity": "{0.analysis_id}",
}
NAMED_BY = {
    "groups": "group",
    "reference": "group",
    "response": "variable",
    "variable": "variable",
    "variables": "variable",
    "covariates": "variable",
    "outcome": "variable",
    "terms": "variable",
    "endpoint": "endpoint",
    "tables": "table",
    "models": "model",
}


def _names_in(part: Strict) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """What a part names: place, kind, name; the term `group` is no variable."""
    for field, kind in NAMED_BY.items():
        value = getattr(part, field, None)
        if isinstance(value, str):
            yield (field,), kind, value
        for i, name in enumerate(value if isinstance(value, list) else []):
            if (field, name) != ("terms", "group"):
                yield (field, i), kind, name
    for i, row in enumerate(getattr(part, "rows", ())):
        yield ("rows", i, "variable"), "variable", row.variable
        yield from ((("rows", i, "tests", g), "group", g) for g in row.tests)
