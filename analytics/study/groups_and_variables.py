"""What the parts of a study file name: groups, endpoints, variables, and windows in time.

Belongs here: one pydantic model for each, and what is wrong with one by itself. Does not belong here: the
parts that name them (`analyses.py`), the whole file (`file.py`).
"""

from __future__ import annotations

from typing import Literal, cast

from pydantic import Field, model_validator

from analytics.study.parts import PATIENT_COLUMNS, Label, NumberColumn, PatientColumn
from yaml_files.strict import Id, Strict


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
                f"nobody is at least {self.at_least:g} and below {self.below:g}; state at_least smaller "
                "than below"
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
        description="By sign, complication or other event: present (recorded at least once), or absent "
        "(known never to have occurred).",
    )
    definitions: dict[Id, Literal["met", "not_met", "possible", "probable", "definite"]] = Field(
        default_factory=dict,
        description="By clinical definition: met, not_met, or the least level that the patient reaches. A "
        "patient of whom nobody can tell is in no group.",
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
        description="When time begins: baseline, onset, first_treatment, or a visit of the schedule. The "
        "first event after that counts.",
    )
    left_truncation: bool = Field(
        True,
        description="A patient whose time begins before the baseline is at risk from the baseline on, "
        "because the registry could not have seen an earlier event. If false, such a patient "
        "is at risk from the origin on.",
    )
    horizon_months: float = Field(gt=0)
    competing: list[Id] = Field(default_factory=list)
    counted_from_months: float | None = Field(
        None,
        gt=0,
        description="A table counts a patient as without the event who was seen without it for at least "
        "this many months. Default: the horizon.",
    )

    @property
    def is_truncated(self) -> bool:
        """Whether patients may begin to count after their time begins."""
        return self.left_truncation and self.origin != "baseline"

    @model_validator(mode="after")
    def counted_within_the_horizon(self) -> Endpoint:
        if self.counted_from_months is not None and self.counted_from_months > self.horizon_months:
            raise ValueError(
                f"counted_from_months is {self.counted_from_months:g}, beyond the horizon of "
                f"{self.horizon_months:g} months; state at most the horizon, or leave it out"
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
        description="How a value beyond a detection limit enters arithmetic that needs a number. `bounds` "
        "keeps it as a bound: a table then summarises by median_iqr and tests by "
        "peto_prentice, gehan or gehan_exact.",
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
                f"the window ends at month {self.to_months:g}, not after its beginning at "
                f"{self.from_months:g}"
            )
        return self
