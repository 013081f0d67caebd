"""What every part of a study file shares: strict models, ids, names of adjustments.

Belongs here: the base of the models of `file.py` and `sensitivity_keys.py`. Does not belong here: any key,
any test (`analytics/declared_tests.py`: the choices of a key that names a test are read from there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

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
