"""Who belongs to a study, and what a variable is for each of them."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import pytest

from analytics.study import cohort as cohort_module
from analytics.study.cohort import FRAMES, build_cohort
from analytics.study.file import Study
from analytics.study.findings import find


def study(**changes: object) -> Study:
    return Study.model_validate(
        {
            "study": "s",
            "title": "S",
            "groups": {
                "young": {"label": "Young", "where": {"msa": "NXP2", "onset_group": "juvenile"}},
                "old": {"label": "Old", "where": {"msa": "NXP2", "onset_group": "adult"}},
            },
            "endpoints": {"relapse": {"label": "Relapse", "events": ["relapse"], "horizon_months": 36}},
            "variables": {
                "ck": {"label": "CK"},
                "il_10": {"label": "IL-10", "censored": "limit"},
                "half": {"label": "IL-10", "of": "il_10", "censored": "half_limit"},
                "ratio": {
                    "label": "R",
                    "source": "ratio",
                    "numerator": "ck",
                    "denominator": "il_10",
                    "censored": "limit",
                },
                "female": {"label": "F", "source": "patient.sex", "equals": "female"},
                "dysphagia": {"label": "D", "source": "event"},
                "ild": {"label": "ILD", "source": "event", "when": "ever"},
                "ulcer": {"label": "Ulcer", "source": "event", "when": "ever"},
                "myocarditis": {"label": "M", "source": "event", "when": "ever"},
                "relapse": {"label": "Relapse", "source": "endpoint"},
            },
        }
        | changes
    )


PATIENTS = pd.DataFrame(
    [
        ("h", "a", "juvenile", "female"),
        ("h", "b", "juvenile", "male"),
        ("h", "c", "adult", None),
        ("h", "d", "adult", "male"),
        ("h", "e", "juvenile", "male"),
    ],
    columns=["hospital_id", "patient_key", "onset_group", "sex"],
)
STATUS = pd.DataFrame(
    [
        ("h", "a", "NXP2", False, "one test"),
        ("h", "b", "NXP2", False, "one test"),
        ("h", "c", "NXP2", False, "one test"),
        ("h", "d", None, True, "conflict"),
        ("h", "e", "MDA5", False, "one test"),
    ],
    columns=["hospital_id", "patient_key", "msa", "has_conflict", "decided_by"],
)
OBSERVATIONS = pd.DataFrame(
    [
        ("h", "a", "ck", "baseline", True, 100.0, None, None, None),
        ("h", "a", "ck", "baseline", False, 999.0, None, None, None),
        ("h", "a", "il_10", "baseline", True, None, "<", 0.0, 0.1),
        ("h", "b", "ck", "month_3", True, 50.0, None, None, None),
        ("h", "b", "il_10", "baseline", True, 4.0, None, None, None),
    ],
    columns=[
        "hospital_id",
        "patient_key",
        "concept_id",
        "scheduled_visit",
        "is_visit_value",
        "value_canonical",
        "comparator",
        "lower_limit",
        "upper_limit",
    ],
)
VISITS = pd.DataFrame(
    [("h", p, "baseline", True, 0.0) for p in "abcde"],
    columns=["hospital_id", "patient_key", "scheduled_visit", "is_scheduled", "time_days"],
)
EVENTS = pd.DataFrame(
    [
        ("h", "a", "dysphagia", "present", 0.0),
        ("h", "b", "dysphagia", "absent", 0.0),
        ("h", "b", "dysphagia", "present", 90.0),
        ("h", "a", "ild", "present", 40.0),
        ("h", "b", "ulcer", "present", 3.0),
        ("h", "b", "myocarditis", "unknown", 3.0),
    ],
    columns=["hospital_id", "patient_key", "event_id", "status", "time_days"],
)
TIMES = pd.DataFrame(
    [
        ("h", "a", "relapse", True, True, 5.0),
        ("h", "b", "relapse", False, False, 9.0),
        ("h", "c", "relapse", False, True, 36.0),
    ],
    columns=["hospital_id", "patient_key", "endpoint", "is_event", "outcome_known", "time_months"],
)


def frames(unlisted: str = "absent") -> dict[str, pd.DataFrame]:
    return {
        "dim_patient": PATIENTS,
        "dim_antibody_status": STATUS,
        "fct_observation": OBSERVATIONS,
        "fct_visit": VISITS,
        "fct_event": EVENTS,
        "fct_time_to_event": TIMES,
        "fct_treatment": pd.DataFrame(
            {"hospital_id": ["h"], "patient_key": ["a"], "treatment_id": ["methotrexate"]}
        ),
        "dim_hospital": pd.DataFrame(
            {"hospital_id": ["h"], "population": ["all"], "unlisted_events": [unlisted]}
        ),
        "event_types": pd.DataFrame(
            [
                ("dysphagia", "sign"),
                ("ulcer", "sign"),
                ("ild", "complication"),
                ("myocarditis", "complication"),
            ],
            columns=["event_id", "category"],
        ),
    }


def values(name: str, unlisted: str = "absent") -> dict[str, float | None]:
    found = build_cohort(study(), frames(unlisted)).value(name, "baseline")
    return {p.split("|")[1]: None if math.isnan(v) else v for p, v in zip(found["patient"], found["value"])}


def test_everyone_is_in_one_group_or_has_a_reason() -> None:
    patients = build_cohort(study(), frames()).patients
    assert dict(zip(patients["patient_key"], patients["group_id"])) == {
        "a": "young",
        "b": "young",
        "c": "old",
        "d": None,
        "e": None,
    }
    reasons = dict(zip(patients["patient_key"], patients["reason"]))
    assert reasons["d"] == "several specific antibodies are positive"
    assert reasons["e"] == "in none of the groups (antibody MDA5, onset juvenile)"


def test_the_flow_counts_everyone_once() -> None:
    flow = build_cohort(study(), frames()).flow()
    assert flow.loc[flow["step"] == "registered", "n"].sum() == 5
    assert flow.loc[flow["step"] != "registered", "n"].sum() == 5


def test_overlapping_groups_are_told() -> None:
    groups = {
        "one": {"label": "1", "where": {"msa": "NXP2"}},
        "two": {"label": "2", "where": {"onset_group": "juvenile"}},
    }
    patients = build_cohort(study(groups=groups), frames()).patients
    assert "conditions overlap" in patients.set_index("patient_key").loc["a", "reason"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ck", {"a": 100.0, "b": None, "c": None}),
        ("il_10", {"a": 0.1, "b": 4.0, "c": None}),
        ("half", {"a": 0.05, "b": 4.0, "c": None}),
        ("female", {"a": 1.0, "b": 0.0, "c": None}),
        ("relapse", {"a": 1.0, "b": None, "c": 0.0}),
    ],
)
def test_a_value_is_that_of_the_scheduled_visit_as_the_study_counts_it(name: str, expected: dict) -> None:
    assert values(name) == expected


def test_a_table_counts_who_was_seen_without_the_event_for_as_long_as_the_study_says() -> None:
    endpoint = {"label": "Relapse", "events": ["relapse"], "horizon_months": 36}
    found = {}
    for enough in (8.9, 9.1):
        of = study(endpoints={"relapse": endpoint | {"counted_from_months": enough}})
        found[enough] = build_cohort(of, frames()).value("relapse", "baseline")["value"].isna().tolist()
    assert found == {8.9: [False, False, False], 9.1: [False, True, False]}


def test_counting_from_beyond_the_horizon_is_refused() -> None:
    endpoint = {"label": "Relapse", "events": ["relapse"], "horizon_months": 36, "counted_from_months": 40}
    with pytest.raises(
        ValueError,
        match="counted_from_months is 40, beyond the horizon of 36 months; state at most the horizon",
    ):
        study(endpoints={"relapse": endpoint})


def test_a_ratio_of_a_limit_is_taken_at_the_limit_when_the_study_says_so() -> None:
    assert values("ratio") == {"a": pytest.approx(1000.0), "b": None, "c": None}


def test_a_sign_is_that_of_the_visit_and_unknown_where_nothing_was_said() -> None:
    assert values("dysphagia") == {"a": 1.0, "b": 0.0, "c": None}


def test_a_complication_that_a_hospital_does_not_list_did_not_happen_only_if_it_says_so() -> None:
    assert values("ild") == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert values("ild", unlisted="unknown") == {"a": 1.0, "b": None, "c": None}


def test_a_sign_that_a_hospital_does_not_list_is_not_known_for_nobody_says_that_it_was_looked_for() -> None:
    assert values("ulcer") == {"a": None, "b": 1.0, "c": None}


def test_an_event_whose_status_is_not_known_is_not_absent() -> None:
    assert values("myocarditis") == {"a": 0.0, "b": None, "c": 0.0}


# a, b and f are one person: a and b by a national id, b and f by an insurance number; b came first but for f
LINKS = pd.DataFrame(
    [
        ("k1", "h", "a", "national_id"),
        ("k1", "i", "b", "national_id"),
        ("k2", "i", "b", "insurance"),
        ("k2", "g", "f", "insurance"),
        ("k3", "h", "c", "national_id"),
        ("k3", "g", "e", "national_id"),
    ],
    columns=["person_key", "hospital_id", "patient_key", "link_rule"],
)


def at_three_hospitals() -> dict[str, pd.DataFrame]:
    patients = pd.DataFrame(
        [
            ("h", "a", "juvenile", "2021-01-01", "NXP2"),
            ("i", "b", "juvenile", "2020-06-01", "NXP2"),
            ("h", "c", "adult", "2020-01-01", "NXP2"),
            ("g", "e", "juvenile", "2019-01-01", "MDA5"),
            ("g", "f", "juvenile", "2020-03-01", "NXP2"),
        ],
        columns=["hospital_id", "patient_key", "onset_group", "baseline_date", "msa"],
    )
    return frames() | {
        "dim_patient": patients.drop(columns="msa")
        .assign(sex="female")
        .astype({"baseline_date": "datetime64[us]"}),
        "dim_antibody_status": patients.assign(has_conflict=False, decided_by=""),
        "dim_hospital": pd.DataFrame({"hospital_id": list("ghi"), "population": "all"}),
        "patient_link": LINKS,
    }


def test_a_person_of_several_hospitals_counts_once_where_the_study_says_so() -> None:
    """e is linked with c but in no group, so that c still counts."""
    patients = build_cohort(study(one_row_per_person=True), at_three_hospitals()).patients
    elsewhere = "the same person counts at another hospital"
    found = zip(patients["patient_key"], patients["group_id"], patients["reason"])
    assert {patient: (group, reason) for patient, group, reason in found} == {
        "a": (None, elsewhere),
        "b": (None, elsewhere),
        "c": ("old", None),
        "f": ("young", None),
        "e": (None, "in none of the groups (antibody MDA5, onset juvenile)"),
    }


def test_without_it_nobody_leaves_and_a_finding_tells_how_many_count_twice() -> None:
    cohort = build_cohort(study(), at_three_hospitals())
    assert sorted(cohort.members["patient_key"]) == ["a", "b", "c", "f"]
    found = find(cohort, {})
    assert [t.split(" (")[0] for t in found.loc[found["topic"] == "linkage", "text"]] == [
        "2 of 4 rows of the cohort are a person who also counts at another hospital"
    ]


DEFINITIONS = pd.DataFrame(
    [
        ("h", "a", "bohan_peter_1975", "met", "probable", "definite", None, None),
        ("h", "b", "bohan_peter_1975", "not_met", None, None, None, None),
        ("h", "c", "bohan_peter_1975", "cannot_tell", None, "possible", None, None),
        ("h", "a", "eular_acr_2017", "met", "definite", "definite", 8.7, 8.7),
        ("h", "b", "eular_acr_2017", "met", "probable", "definite", 6.5, 14.1),
    ],
    columns=[
        "hospital_id",
        "patient_key",
        "definition_id",
        "status",
        "level",
        "level_at_most",
        "value",
        "value_at_most",
    ],
)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ({"of": "bohan_peter_1975"}, {"a": 1.0, "b": 0.0, "c": None}),
        ({"of": "bohan_peter_1975", "at_least": "probable"}, {"a": 1.0, "b": 0.0, "c": 0.0}),
        ({"of": "bohan_peter_1975", "at_least": "definite"}, {"a": None, "b": 0.0, "c": 0.0}),
        ({"of": "eular_acr_2017", "source": "definition.value"}, {"a": 8.7, "b": None, "c": None}),
    ],
)
def test_a_definition_is_met_or_not_or_missing(variable: dict, expected: dict[str, float | None]) -> None:
    cohort = build_cohort(
        study(variables={"x": {"label": "X", "source": "definition"} | variable}),
        frames() | {"fct_definition": DEFINITIONS},
    )
    rows = cohort.value("x", "baseline")
    found = {p.split("|")[1]: None if math.isnan(v) else v for p, v in zip(rows["patient"], rows["value"])}
    assert found == expected


def test_every_table_that_a_study_reads_is_listed() -> None:
    """A table that is not listed would not be handed over, and `frames.get` would not miss it."""
    folder = Path(cohort_module.__file__).parent
    named = {
        name
        for path in folder.rglob("*.py")
        for name in re.findall(r"frames(?:\.get\(|\[)\"(\w+)\"", path.read_text(encoding="utf-8"))
    }
    assert named >= {"dim_patient", "fct_antibody_result"}
    assert named - set(FRAMES) == set()
