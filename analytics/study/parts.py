"""What every part of a study file shares: strict models, ids, names of adjustments.

Belongs here: the base of all models of a study file. Does not belong here: any key,
any test (`analytics/declared_tests.py`: the choices of a key that names a test are read from there).

A label is a text, or `{en: Age at onset, zh: 起病年龄}`. Whoever reads it has the English text; `chinese`
gives the other. A model that is written out has the label as the file gave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PlainSerializer, Tag

from analytics.declared_tests import (
    BOUNDED,
    COMPLETE_COURSES,
    COUNT,
    MANY,
    MEASUREMENT,
    MODEL_TERM,
    NO_TEST,
    TIME_TO_EVENT,
    TWO,
    statistical_tests,
)
from yaml_files.strict import Strict


class InBoth(Strict):
    """A label in English and in Chinese."""

    en: str = Field(min_length=1, description="English: in the report, and on pages in English.")
    zh: str = Field(min_length=1, description="Chinese: on pages in Chinese.")


class LabelInBoth(str):
    """The English text of a label, with the Chinese one beside it."""

    zh: str

    def __new__(
        cls, en: str, zh: str = ""
    ) -> LabelInBoth:  # a copy is made of the text alone, then gets its zh
        made = super().__new__(cls, en)
        made.zh = zh
        return made


def chinese(label: object) -> str | None:
    """The Chinese text of a label; None if the study file gives none."""
    return label.zh if isinstance(label, LabelInBoth) else None


def _as_given(label: str) -> str | dict[str, str]:
    return {"en": str(label), "zh": label.zh} if isinstance(label, LabelInBoth) else label


def _read(label: str | InBoth) -> str:
    return LabelInBoth(label.en, label.zh) if isinstance(label, InBoth) else label


def _form(label: object) -> str:
    return InBoth.__name__ if isinstance(label, dict | InBoth) else "text"


if TYPE_CHECKING:
    Label: TypeAlias = str
else:
    Label = Annotated[
        Annotated[str, Tag("text")] | Annotated[InBoth, Tag(InBoth.__name__)],
        Discriminator(_form),
        BeforeValidator(_as_given),
        AfterValidator(_read),
        PlainSerializer(_as_given),
    ]

TABLE_RESPONSES = (MEASUREMENT, COUNT, BOUNDED)
if TYPE_CHECKING:
    TwoGroupTest: TypeAlias = str
    ManyGroupTest: TypeAlias = str
    SurvivalTest: TypeAlias = str
    WeightedTest: TypeAlias = str
    TermTest: TypeAlias = str
    CourseTest: TypeAlias = str
else:  # the choices that pydantic and the schema of a study file know
    TwoGroupTest = Literal[(*statistical_tests(*TABLE_RESPONSES, groups=TWO), NO_TEST)]
    ManyGroupTest = Literal[(*statistical_tests(*TABLE_RESPONSES, groups=MANY), NO_TEST)]
    SurvivalTest = Literal[tuple(statistical_tests(TIME_TO_EVENT))]
    WeightedTest = Literal[
        ("exact", *(name for name in statistical_tests(TIME_TO_EVENT) if name != "log_rank"))
    ]
    TermTest = Literal[tuple(statistical_tests(MODEL_TERM))]
    CourseTest = Literal[tuple(statistical_tests(COMPLETE_COURSES))]

Adjustment = Literal["none", "holm", "hochberg", "hommel", "BH", "BY", "bonferroni"]
PatientColumn = Literal[
    "age_at_onset_years",
    "disease_duration_months",
    "sex",
    "birth_year",
    "onset_group",
    "hospital_id",
    "msa",
    "population",
    "diagnosis",
    "treatment",
]
NumberColumn = Literal["age_at_onset_years", "disease_duration_months", "birth_year"]
Transform = Literal["none", "log", "log1p", "sqrt"]
LEVELS = ("possible", "probable", "definite")
PATIENT_COLUMNS: tuple[str, ...] = get_args(PatientColumn)
