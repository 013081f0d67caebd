"""The analyses that a study file can ask for beside its printed ones: `sensitivity:` of
`studies/<study>.yml`.

Belongs here: one pydantic model per kind of analysis, its keys and the question that it answers. Does not
belong here: computing (the modules of `sensitivity/`), the other parts of a study file
(`analytics/study/file.py`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from analytics.study.parts import Adjustment, PatientColumn, WeightedTest
from yaml_files.strict import Id, Strict

LogRankVariant = Literal["exact", "peto", "tarone_ware"]


class Asked(Strict):
    """What every analysis has: its id, and its question where the usual one does not fit."""

    analysis_id: Id
    question: str = Field(
        "", description="Heading in the report; empty takes the usual question of the kind."
    )


class Multiplicity(Asked):
    """Comparisons with a small p value: effect sizes, and p values adjusted over the named tables at once."""

    kind: Literal["multiplicity"]
    tables: list[str] = Field(min_length=1)
    adjust: list[Adjustment] = Field(default_factory=lambda: list[Adjustment](["BH", "holm"]), min_length=1)
    level: float = Field(0.05, gt=0, lt=1)


class CompareModels(Asked):
    """Terms of models of this study side by side: another scale, test, penalty or clock, one question."""

    kind: Literal["compare_models"]
    models: list[Id] = Field(min_length=1)


class LogRankVariants(Asked):
    """The log-rank test beside its exact permutation distribution and tests that weigh events otherwise."""

    kind: Literal["log_rank_variants"]
    endpoint: Id
    groups: list[Id] = Field(min_length=2)
    variants: list[WeightedTest] = Field(default_factory=lambda: ["exact"], min_length=1)
    draws: int = Field(
        20_000, ge=999, description="Permutations of the overall test of three groups or more."
    )
    seed: int = 1


class RestrictedMeans(Asked):
    """Differences of restricted mean times (`survival: restricted_mean_months`) beside the log-rank tests."""

    kind: Literal["restricted_mean"]
    endpoint: Id


class DetectionLimits(Asked):
    """Rows of tables with values beyond a detection limit: as the table counts them, and as bounds."""

    kind: Literal["detection_limits"]
    tables: list[str] = Field(min_length=1)


class Confounding(Asked):
    """What else differs between groups in such a way that no analysis can take it apart from the group."""

    kind: Literal["confounding"]
    groups: list[Id] = Field(min_length=2)
    factors: list[PatientColumn] = Field(min_length=1, description="Columns of the patient.")
    outcome: Id = Field(description="A variable for which adjustment by each factor is tried.")
    visit: Id = "baseline"


class AdjustedDifference(Asked):
    """A difference of means with and without adjustment for covariates (ANCOVA, least squares)."""

    kind: Literal["adjusted_difference"]
    variable: Id
    groups: list[Id] = Field(min_length=2)
    reference: Id
    covariates: list[Id] = Field(min_length=1)
    visit: Id = "baseline"


class Norm(Strict):
    """What healthy people of an age score: mean and standard deviation."""

    from_age: float = Field(ge=0)
    below_age: float
    mean: float
    sd: float = Field(gt=0)
    n: int | None = Field(None, gt=0)
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def ordered(self) -> Norm:
        if self.below_age <= self.from_age:
            raise ValueError(
                f"below_age: expected more than from_age {self.from_age:g}; found {self.below_age:g}"
            )
        return self


class NormForAge(Asked):
    """A score that grows with age, against what healthy people of that age reach."""

    kind: Literal["norm_for_age"]
    variable: Id
    groups: list[Id] = Field(min_length=1)
    visits: list[Id] = Field(min_length=1)
    norms: list[Norm] = Field(min_length=1, description="By age, each band above the one before.")
    full_score: float = Field(description="The highest score.")
    full_from_age: float | None = Field(
        None,
        description="From this age on healthy people reach the full score; without it only the bands decide.",
    )
    reference_z: float = Field(
        1.96, gt=0, description="Below mean - z SD is below the norm; 1.96 leaves out 2.5 %."
    )

    @model_validator(mode="after")
    def bands_follow(self) -> NormForAge:
        for before, after in pairwise(self.norms):
            if after.from_age < before.below_age:
                raise ValueError(
                    f"norms: the band from age {after.from_age:g} begins within the one up to"
                    f" {before.below_age:g};"
                    " list bands by age, without overlap"
                )
        return self


class LostToFollowUp(Asked):
    """Who was lost, how they differ from those retained, and the endpoint if all or none of them had it."""

    kind: Literal["lost_to_follow_up"]
    endpoint: Id
    groups: list[Id] = Field(min_length=2)
    reference: Id
    variables: list[Id] = Field(min_length=1, description="Compared between lost and retained, at `visit`.")
    visit: Id = "baseline"


class MissingValues(Asked):
    """How many values are missing, by variable, group and visit."""

    kind: Literal["missing_values"]
    tables: list[str] = Field(default_factory=list)
    models: list[Id] = Field(
        default_factory=list, description="Mixed models, whose response is counted by visit."
    )

    @model_validator(mode="after")
    def something(self) -> MissingValues:
        if not self.tables and not self.models:
            raise ValueError("name tables, models or both: there is nothing to count")
        return self


class MultipleImputation(Asked):
    """A difference of means at a late visit: of those seen then, and with imputed values of those who were
    not.

    ``shifts`` make the imputed values of ``reference`` worse or better than predicted: how far the
    assumption that values are missing at random may fail before the answer changes.
    """

    kind: Literal["multiple_imputation"]
    variable: Id
    groups: list[Id] = Field(min_length=2, max_length=2)
    reference: Id
    visits: list[Id] = Field(min_length=2, description="The last is compared, the others help to impute it.")
    covariates: list[Id] = Field(
        default_factory=list, description="They help to impute; complete or imputed too."
    )
    shifts: list[float] = Field(default_factory=list)
    imputations: int = Field(20, ge=2, le=500)
    iterations: int = Field(10, ge=1, le=100)
    seed: int = 1


Sensitivity = Annotated[
    Multiplicity
    | CompareModels
    | LogRankVariants
    | RestrictedMeans
    | DetectionLimits
    | Confounding
    | AdjustedDifference
    | NormForAge
    | LostToFollowUp
    | MissingValues
    | MultipleImputation,
    Field(discriminator="kind"),
]
