"""The parts of a study file that ask for numbers: tables, models, analyses of times to an event.

Belongs here: one pydantic model for each; a choice that fixes a number is a key here, with the name of the
method. Does not belong here: further analyses (`sensitivity_keys.py`), the whole file (`file.py`), computing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from analytics.declared_tests import MANY, NO_TEST, TWO, StatisticalTest, statistical_tests
from analytics.study.groups_and_variables import Window
from analytics.study.parts import (
    TABLE_RESPONSES,
    Adjustment,
    CourseTest,
    Label,
    ManyGroupTest,
    SurvivalTest,
    TermTest,
    Transform,
    TwoGroupTest,
)
from yaml_files.strict import Id, Strict


def _explained(tests: dict[str, StatisticalTest]) -> str:
    """What each test compares, for the schema that editors show."""
    return " ".join(f"{name}: {test.sentence}." for name, test in tests.items())


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
        description="One test of all groups of the table together; its p values are adjusted among "
        "themselves. " + _explained(statistical_tests(*TABLE_RESPONSES, groups=MANY)),
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
                "kenward_roger_f is defined for reml without serial correlation; write serial: none, or "
                "satterthwaite_f"
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
        description="Log-rank tests compare groups within each stratum; curves are given within each "
        "stratum too.",
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
