"""What a study file may say: groups, variables, tables, models, endpoints.

Belongs here: the pydantic models of `studies/<study>.yml`; a choice that fixes a number is a key here, with
the name of the method. Does not belong here: computing (`results.py`), reading files
(`orchestration/registry/folder.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Literal, cast

from pydantic import Field, model_validator

from analytics.declared_tests import (
    BOUNDED,
    COUNT,
    MANY,
    MEASUREMENT,
    NO_TEST,
    TWO,
    StatisticalTest,
    statistical_tests,
)
from analytics.study.parts import (
    LEVELS,
    PATIENT_COLUMNS,
    TABLE_RESPONSES,
    Adjustment,
    CourseTest,
    Label,
    ManyGroupTest,
    NumberColumn,
    PatientColumn,
    SurvivalTest,
    TermTest,
    Transform,
    TwoGroupTest,
)
from analytics.study.sensitivity_keys import MissingValues, RestrictedMeans, Sensitivity
from yaml_files.strict import Fault, Id, PlacedFaults, Strict


def _explained(tests: dict[str, StatisticalTest]) -> str:
    """What each test compares, for the schema that editors show."""
    return " ".join(f"{name}: {test.sentence}." for name, test in tests.items())


class Span(Strict):
    """Numbers from ``at_least`` on, up to and without ``below``."""

    at_least: float | None = None
    below: float | None = None

    @property
    def in_words(self) -> str:
        ends = (("at least", self.at_least), ("below", self.below))
        return " and ".join(f"{word} {end:g}" for word, end in ends if end is not None)

    @model_validator(mode="after")
    def not_empty(self) -> Span:
        if self.at_least is None and self.below is None:
            raise ValueError("state at_least, below or both")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError(
                f"nobody is at least {self.at_least:g} and below {self.below:g}; state at_least smaller than below"
            )
        return self


class Group(Strict):
    """Who belongs: every condition that is stated holds."""

    label: Label
    where: dict[PatientColumn, str | list[str]] = Field(
        default_factory=dict,
        description="By column of the patient: the value, or a list of values of which the patient has one.",
    )
    within: dict[NumberColumn, Span] = Field(
        default_factory=dict,
        description="By numeric column of the patient: the span that it lies in, as {age_at_onset_years: "
        "{at_least: 6, below: 12}}.",
    )
    events: dict[Id, Literal["present", "absent"]] = Field(
        default_factory=dict,
        description="By sign, complication or other event: present (recorded at least once), or absent (known "
        "never to have occurred).",
    )
    definitions: dict[Id, Literal["met", "not_met", "possible", "probable", "definite"]] = Field(
        default_factory=dict,
        description="By clinical definition: met, not_met, or the least level that the patient reaches. A patient "
        "of whom nobody can tell is in no group.",
    )

    @property
    def in_words(self) -> str:
        """The conditions, as a list of patients states them."""
        told = [f"{c} {v if isinstance(v, str) else ' or '.join(v)}" for c, v in self.where.items()]
        told += [f"{column} {span.in_words}" for column, span in self.within.items()]
        told += [f"{name} {state}" for name, state in {**self.events, **self.definitions}.items()]
        return ", ".join(told)

    @model_validator(mode="after")
    def has_a_condition(self) -> Group:
        if not (self.where or self.within or self.events or self.definitions):
            raise ValueError("a group needs a condition: where, within, events or definitions")
        return self


ORIGINS = ("baseline", "onset", "first_treatment")  # beside the visits of the schedule


class Endpoint(Strict):
    """Time from origin to the first of ``events``, censored at the last contact or the horizon."""

    label: Label
    events: list[Id] = Field(min_length=1)
    origin: Id = Field(
        "baseline",
        description="When time begins: baseline, onset, first_treatment, or a visit of the schedule. The first event"
        " after that counts.",
    )
    left_truncation: bool = Field(
        True,
        description="A patient whose time begins before the baseline is at risk from the baseline on, because the "
        "registry could not have seen an earlier event. If false, such a patient is at risk from the "
        "origin on.",
    )
    horizon_months: float = Field(gt=0)
    competing: list[Id] = Field(default_factory=list)
    counted_from_months: float | None = Field(
        None,
        gt=0,
        description="A table counts a patient as without the event who was seen without it for at least this many "
        "months. Default: the horizon.",
    )

    @property
    def is_truncated(self) -> bool:
        """Whether patients may begin to count after their time begins."""
        return self.left_truncation and self.origin != "baseline"

    @model_validator(mode="after")
    def counted_within_the_horizon(self) -> Endpoint:
        if self.counted_from_months is not None and self.counted_from_months > self.horizon_months:
            raise ValueError(
                f"counted_from_months is {self.counted_from_months:g}, beyond the horizon of {self.horizon_months:g} months;"
                " state at most the horizon, or leave it out"
            )
        return self


class Variable(Strict):
    """One variable of the tables and models.

    ``source`` is `observation` (the concept's value at the visit), `ratio` (of two observations at the
    visit), `patient.<column>`, `event` (recorded as present: at the visit, or ever), `endpoint` (reached
    within the horizon; unknown when last seen before it, or before the endpoint's ``counted_from_months``),
    `definition` (a clinical definition is met; unknown where that cannot be told) or `definition.value` (its
    score, where no missing input could change it).
    """

    label: Label
    unit: str = ""
    source: str = Field(
        "observation", pattern=r"^(observation|ratio|event|endpoint|definition(\.value)?|patient\.[a-z_]+)$"
    )
    of: Id | None = Field(
        None,
        description="Id of the concept, event, endpoint or definition, if it differs from the variable's.",
    )
    at_least: Literal["possible", "probable", "definite"] | None = Field(
        None, description="For a definition with levels: the least level that counts. Default: met."
    )
    numerator: Id | None = Field(None, description="For a ratio: the concept of the numerator.")
    denominator: Id | None = Field(None, description="For a ratio: the concept of the denominator.")
    when: Literal["visit", "ever"] = Field(
        "visit", description="For an event: whether it counts at the table's visit, or ever."
    )
    equals: str | None = Field(None, description="For a coded column of the patient: the value that counts.")
    decimals: int | None = Field(
        None,
        ge=0,
        le=6,
        description="Decimals to print. Default: 2 for a mean; for a median as many as it needs, 2 at most.",
    )
    censored: Literal["exclude", "limit", "half_limit", "bounds"] = Field(
        "exclude",
        description="How a value beyond a detection limit enters arithmetic that needs a number. `bounds` keeps it "
        "as a bound: a table then summarises by median_iqr and tests by peto_prentice, gehan or "
        "gehan_exact.",
    )

    @model_validator(mode="after")
    def complete(self) -> Variable:
        if (self.source == "ratio") != (self.numerator is not None and self.denominator is not None):
            raise ValueError("state numerator and denominator for source: ratio, and for no other source")
        if self.at_least is not None and self.source != "definition":
            raise ValueError("at_least belongs to a variable with source: definition")
        if self.source.startswith("patient.") and self.source.split(".")[1] not in PATIENT_COLUMNS:
            raise ValueError(
                f"no patient column {self.source.split('.')[1]}; known: {', '.join(PATIENT_COLUMNS)}"
            )
        if self.equals is not None and self.patient_column is None:
            raise ValueError(
                f"equals belongs to a patient column; found it with source: {self.source}; take it out"
            )
        return self

    @property
    def patient_column(self) -> PatientColumn | None:
        """The patient's column that the variable reads; None for another source."""
        _, is_column, column = self.source.partition("patient.")
        return cast(PatientColumn, column) if is_column else None


class Window(Strict):
    """Any value between two months after baseline, in place of a scheduled visit's."""

    from_months: float
    to_months: float
    take: Literal["first", "last", "lowest", "highest"] = Field(
        "first", description="Which of a patient's values in the window counts."
    )

    @property
    def in_words(self) -> str:
        return f"{self.take} value of months {self.from_months:g} to {self.to_months:g}"

    @model_validator(mode="after")
    def ordered(self) -> Window:
        if self.from_months >= self.to_months:
            raise ValueError(
                f"the window ends at month {self.to_months:g}, not after its beginning at {self.from_months:g}"
            )
        return self


class TableRow(Strict):
    variable: Id
    transform: Transform = Field(
        "none", description="For a mean or median: the scale on which values are summarised and compared."
    )
    summary: Literal["mean_sd", "median_iqr", "count_percent"]
    test: TwoGroupTest = Field(description=_explained(statistical_tests(*TABLE_RESPONSES, groups=TWO)))
    tests: dict[Id, TwoGroupTest] = Field(
        default_factory=dict, description="By group_b: another test for the comparison with that group."
    )
    overall: ManyGroupTest = Field(
        NO_TEST,
        description="One test of all groups of the table together; its p values are adjusted among themselves. "
        + _explained(statistical_tests(*TABLE_RESPONSES, groups=MANY)),
    )


class BaselineTable(Strict):
    table_id: str
    title: Label
    visit: Id = "baseline"
    window: Window | None = Field(
        None, description="Measured values and ratios are taken from these months instead of from the visit."
    )
    groups: list[Id] = Field(min_length=1)
    reference: Id = Field(description="The group that every other is compared with.")
    adjust: Adjustment = "BH"
    rows: list[TableRow] = Field(min_length=1)

    @property
    def at(self) -> str | Window:
        """Where its values are taken from."""
        return self.window or self.visit

    @property
    def when(self) -> str:
        """The visit, or the window in words."""
        return self.visit if self.window is None else self.window.in_words


class MixedModel(Strict):
    model_id: Id
    title: Label
    response: Id
    groups: list[Id] = Field(min_length=1)
    visits: list[Id] = Field(min_length=2)
    transform: Transform = "none"
    covariates: list[Id] = Field(default_factory=list)
    random: Literal["intercept", "intercept_slope"] = "intercept_slope"
    slope: Literal["months", "visit_index"] = "months"
    serial: Literal["none", "ar1", "car1"] = "ar1"
    method: Literal["reml", "ml"] = "reml"
    contrasts: Literal["sum", "treatment"] = "sum"
    test: TermTest = "wald_chi_square"
    beside: list[TermTest] = Field(
        default_factory=lambda: ["satterthwaite_f"],
        description="Further tests of each term (kenward_roger_f: serial none).",
    )
    adjust: Adjustment = "holm"

    @model_validator(mode="after")
    def kenward_roger_is_possible(self) -> MixedModel:
        if "kenward_roger_f" in (self.test, *self.beside) and (
            self.serial != "none" or self.method != "reml"
        ):
            raise ValueError(
                "kenward_roger_f is defined for reml without serial correlation; write serial: none, or satterthwaite_f"
            )
        return self


class RepeatedMeasures(Strict):
    """Repeated-measures ANOVA of the patients with a value at every visit (type III, sum contrasts)."""

    model_id: Id
    title: Label
    response: Id
    groups: list[Id] = Field(min_length=1)
    visits: list[Id] = Field(min_length=2)
    transform: Transform = "none"
    test: CourseTest = "greenhouse_geisser"


class SurvivalAnalysis(Strict):
    endpoint: Id
    title: Label
    groups: list[Id] = Field(min_length=1)
    at_risk_months: list[float] = Field(default_factory=lambda: list[float]([0, 6, 12, 18, 24, 30, 36]))
    pairwise: bool = True
    adjust: Adjustment = "holm"
    weights: SurvivalTest = "log_rank"
    method: Literal["asymptotic", "exact"] = "asymptotic"
    trend: bool = Field(
        False, description="Also a test for a trend over the groups in the order of `groups`."
    )
    strata: list[Literal["hospital_id", "sex", "onset_group"]] = Field(
        default_factory=list,
        description="Log-rank tests compare groups within each stratum; curves are given within each stratum too.",
    )
    restricted_mean_months: float | None = Field(
        None, gt=0, description="Mean time without the event up to this month, by group and between pairs."
    )

    @model_validator(mode="after")
    def goes_together(self) -> SurvivalAnalysis:
        if self.method == "exact" and self.weights != "log_rank":
            raise ValueError(f"method: exact exists for weights: log_rank only; found {self.weights}")
        if self.trend and len(self.groups) < 2:
            raise ValueError("trend: a trend needs two groups or more, in their order; found one")
        if self.strata and self.method == "exact":
            raise ValueError(
                "the exact log-rank test cannot use strata; write method: asymptotic, or leave strata out"
            )
        if self.strata and self.trend:
            raise ValueError("the test for a trend cannot use strata; leave trend or strata out")
        return self


class CoxModel(Strict):
    model_id: Id
    title: Label
    endpoint: Id
    groups: list[Id] = Field(min_length=1)
    terms: list[Id] = Field(min_length=1, description="`group`, or a variable at baseline.")
    method: Literal["cox", "firth_cox"] = "cox"
    ties: Literal["efron", "breslow", "exact"] = "efron"
    strata: list[Literal["hospital_id", "sex", "onset_group"]] = Field(default_factory=list)


class CompetingRisks(Strict):
    """Incidence of an endpoint where its `competing` events preclude it: curves, Gray's test, Fine-Gray."""

    model_id: Id
    title: Label
    endpoint: Id
    groups: list[Id] = Field(min_length=1)
    terms: list[Id] = Field(
        default_factory=list, description="Terms of Fine and Gray's model: `group`, or variables at baseline."
    )


class RecurrentEvents(Strict):
    """Every event of an endpoint, not the first alone, of patients who are at risk until last seen.

    Errors are robust by patient; `gamma_frailty` gives each patient a risk of their own instead.
    """

    model_id: Id
    title: Label
    endpoint: Id
    groups: list[Id] = Field(min_length=1)
    terms: list[Id] = Field(min_length=1, description="`group`, or variables at baseline.")
    method: Literal["andersen_gill", "pwp_total", "pwp_gap", "gamma_frailty"] = "andersen_gill"
    max_events: int | None = Field(
        None, ge=1, description="For method pwp: events after this many are left out."
    )


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
            yield f"{row.variable}: an event at the visit has no window; write when: ever, or leave window out"
        if row.transform != "none" and variable.censored == "bounds":
            yield f"{row.variable}: tests of bounds are the same on every scale; leave transform out"
        if row.transform != "none" and row.summary == "count_percent":
            yield f"{row.variable}: transform {row.transform} is for a mean or median; found summary count_percent"
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
            yield f"{row.variable}: {censored[0]} needs the variable's censored: bounds; found {variable.censored}"
            return
        response = COUNT if row.summary == "count_percent" else MEASUREMENT
        for key, named, size in (("test", tests, TWO), ("overall", [row.overall], MANY)):
            fitting = statistical_tests(response, groups=size)
            for test in dict.fromkeys(name for name in named if name not in fitting and name != NO_TEST):
                yield f"{row.variable}: {key} {test} is not for summary {row.summary}; expected {', '.join(fitting)} or none"
        if row.overall != NO_TEST and len(table.groups) < 2:
            yield f"{row.variable}: overall {row.overall} needs two groups or more; the table has {', '.join(table.groups)}"

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
