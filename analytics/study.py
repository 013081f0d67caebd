"""What a study file may say: groups, variables, tables, models, endpoints.

Belongs here: the pydantic models of `studies/<study>.yml`; a choice that fixes a number is a key here, with the name of
the method. Does not belong here: computing (`study_results.py`), reading files (`orchestration/registry.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Adjustment = Literal["none", "holm", "hochberg", "hommel", "BH", "BY", "bonferroni"]
TwoGroupTest = Literal[
    "mann_whitney", "mann_whitney_no_continuity", "mann_whitney_exact", "student_t", "welch_t", "fisher", "fisher_mid_p",
    "chi_square", "chi_square_yates", "none",
]
PATIENT_COLUMNS = (
    "age_at_onset_years", "disease_duration_months", "sex", "birth_year", "onset_group", "hospital_id", "msa",
    "population", "diagnosis", "treatment",
)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(Strict):
    """Who belongs: every stated column of the patient has the stated value (or one of them)."""

    label: str
    where: dict[Literal[PATIENT_COLUMNS], str | list[str]] = Field(min_length=1)


class Endpoint(Strict):
    """Time from origin to the first of ``events``, censored at the last contact or the horizon."""

    label: str
    events: list[Id] = Field(min_length=1)
    origin: Literal["baseline"] = "baseline"
    horizon_months: float = Field(gt=0)
    competing: list[Id] = Field(default_factory=list)


class Variable(Strict):
    """One variable of the tables and models.

    ``source`` is `observation` (the concept's value at the visit), `ratio` (of two observations at the visit),
    `patient.<column>`, `event` (recorded as present: at the visit, or ever), or `endpoint` (reached within the
    horizon; unknown when lost before it).
    """

    label: str
    unit: str = ""
    source: str = Field("observation", pattern=r"^(observation|ratio|event|endpoint|patient\.[a-z_]+)$")
    of: Id | None = Field(None, description="Concept, event or endpoint when it is not called as the variable.")
    numerator: Id | None = Field(None, description="Of a ratio: the concept above the line.")
    denominator: Id | None = Field(None, description="Of a ratio: the concept below the line.")
    when: Literal["visit", "ever"] = Field("visit", description="Of an event: at the table's visit, or ever.")
    equals: str | None = Field(None, description="Of a coded patient column: the value that counts.")
    decimals: int | None = Field(
        None, ge=0, le=6, description="Printed so; without it a mean has 2 decimals, a median as many as it needs (2 at most)."
    )
    censored: Literal["exclude", "limit", "half_limit"] = Field(
        "exclude", description="How a value beyond a detection limit enters arithmetic that needs a number."
    )

    @model_validator(mode="after")
    def complete(self) -> Variable:
        if (self.source == "ratio") != (self.numerator is not None and self.denominator is not None):
            raise ValueError("a ratio, and only a ratio, names its numerator and denominator")
        if self.source.startswith("patient.") and self.source.split(".")[1] not in PATIENT_COLUMNS:
            raise ValueError(f"no patient column {self.source.split('.')[1]}; known: {', '.join(PATIENT_COLUMNS)}")
        return self


class TableRow(Strict):
    variable: Id
    summary: Literal["mean_sd", "median_iqr", "count_percent"]
    test: TwoGroupTest
    tests: dict[Id, TwoGroupTest] = Field(
        default_factory=dict, description="Another test against single groups, by group_b."
    )


class BaselineTable(Strict):
    table_id: str
    title: str
    visit: Id = "baseline"
    groups: list[Id] = Field(min_length=1)
    reference: Id = Field(description="The group that every other is compared with.")
    adjust: Adjustment = "BH"
    rows: list[TableRow] = Field(min_length=1)


class MixedModel(Strict):
    model_id: Id
    title: str
    response: Id
    groups: list[Id] = Field(min_length=1)
    visits: list[Id] = Field(min_length=2)
    transform: Literal["none", "log", "log1p", "sqrt"] = "none"
    covariates: list[Id] = Field(default_factory=list)
    random: Literal["intercept", "intercept_slope"] = "intercept_slope"
    slope: Literal["months", "visit_index"] = "months"
    serial: Literal["none", "ar1", "car1"] = "ar1"
    method: Literal["reml", "ml"] = "reml"
    contrasts: Literal["sum", "treatment"] = "sum"
    test: Literal["wald_chi_square", "satterthwaite_f", "kenward_roger_f"] = "wald_chi_square"
    adjust: Adjustment = "holm"


class SurvivalAnalysis(Strict):
    endpoint: Id
    title: str
    groups: list[Id] = Field(min_length=1)
    at_risk_months: list[float] = Field(default_factory=lambda: [0, 6, 12, 18, 24, 30, 36])
    pairwise: bool = True
    adjust: Adjustment = "holm"
    weights: Literal["log_rank", "peto", "tarone_ware"] = "log_rank"
    method: Literal["asymptotic", "exact"] = "asymptotic"


class CoxModel(Strict):
    model_id: Id
    title: str
    endpoint: Id
    groups: list[Id] = Field(min_length=1)
    terms: list[Id] = Field(min_length=1, description="`group`, or a variable at baseline.")
    method: Literal["cox", "firth_cox"] = "cox"
    ties: Literal["efron", "breslow", "exact"] = "efron"
    strata: list[Literal["hospital_id", "sex", "onset_group"]] = Field(default_factory=list)


class Study(Strict):
    """studies/<study>.yml"""

    study: Id
    title: str
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

    @model_validator(mode="after")
    def names_exist(self) -> Study:
        faults = [*self._unknown_groups(), *self._unknown_variables(), *self._unknown_endpoints(), *self._twice()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def visits_named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Each visit that the study names, with its place in the file."""
        for i, table in enumerate(self.tables):
            yield ("tables", i, "visit"), table.visit
        for i, model in enumerate(self.mixed_models):
            for j, visit in enumerate(model.visits):
                yield ("mixed_models", i, "visits", j), visit

    def _unknown_groups(self) -> Iterator[str]:
        parts = [("table " + t.table_id, [*t.groups, t.reference, *(g for r in t.rows for g in r.tests)]) for t in self.tables]
        parts += [(m.model_id, m.groups) for m in [*self.mixed_models, *self.cox]]
        parts += [("survival of " + s.endpoint, s.groups) for s in self.survival]
        for place, groups in parts:
            for group in dict.fromkeys(groups):
                if group not in self.groups:
                    yield f'{place}: no group "{group}"; the study has {", ".join(self.groups)}'

    def _unknown_variables(self) -> Iterator[str]:
        parts = [("table " + t.table_id, r.variable) for t in self.tables for r in t.rows]
        parts += [(m.model_id, v) for m in self.mixed_models for v in [m.response, *m.covariates]]
        parts += [(m.model_id, v) for m in self.cox for v in m.terms if v != "group"]
        for place, variable in parts:
            if variable not in self.variables:
                yield f'{place}: no variable "{variable}" under variables'

    def _unknown_endpoints(self) -> Iterator[str]:
        parts = [("survival", s.endpoint) for s in self.survival] + [(m.model_id, m.endpoint) for m in self.cox]
        parts += [(f"variable {n}", v.of or n) for n, v in self.variables.items() if v.source == "endpoint"]
        for place, endpoint in parts:
            if endpoint not in self.endpoints:
                yield f'{place}: no endpoint "{endpoint}" under endpoints'

    def _twice(self) -> Iterator[str]:
        for kind, ids in (
            ("table_id", [t.table_id for t in self.tables]),
            ("model_id", [m.model_id for m in [*self.mixed_models, *self.cox]]),
        ):
            for name in sorted({i for i in ids if ids.count(i) > 1}):
                yield f'{kind} "{name}" stands twice'
