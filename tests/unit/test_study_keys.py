"""Parts of a study file beyond tables, mixed models and Cox: what each key becomes, and what is refused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from analytics.study.events import event_intervals
from tests.unit import small_study

GROUPS = ["young", "old"]
VISITS = ["baseline", "month_6", "month_12"]


def shown(frame: pd.DataFrame, columns: str, digits: int = 3) -> list[tuple[Any, ...]]:
    """Rows of some columns, numbers rounded, what is missing as None."""
    chosen = frame[columns.split()].round(digits).astype(object)
    return list(chosen.where(chosen.notna(), None).itertuples(index=False, name=None))


def test_restricted_means_stand_by_group_and_by_pair() -> None:
    survival = {"endpoint": "relapse", "title": "R", "groups": GROUPS, "restricted_mean_months": 36}
    found = small_study.results(survival=[survival])["restricted_mean"]
    # young: free to 3, three quarters to 9, half to 36: 3 + 4.5 + 13.5; old: free to 24, two thirds to 36:
    # 24 + 8
    assert shown(found, "scope group_a group_b tau_months estimate std_error n events status") == [
        ("group", "young", None, 36.0, 21.0, 7.575, 4, 2, "ok"),
        ("group", "old", None, 36.0, 32.0, 3.266, 4, 1, "ok"),
        ("pairwise", "young", "old", 36.0, -11.0, 8.249, 8, 3, "ok"),
    ]


def test_incidence_counts_a_competing_event_as_what_it_is() -> None:
    spec = {"model_id": "ci", "title": "C", "endpoint": "relapse", "groups": GROUPS, "terms": ["group"]}
    found = small_study.results(competing_risks=[spec])
    last = found["cumulative_incidence"].groupby(["group_id", "cause"], sort=False).tail(1)
    # old: one of four dies at 20, one of the three left relapses at 24: 1/4 each, not 1/3
    assert shown(last, "group_id cause incidence n status") == [
        ("young", "event", 0.5, 4, "ok"),
        ("young", "competing", 0.0, 4, "no_events"),
        ("old", "event", 0.25, 4, "ok"),
        ("old", "competing", 0.25, 4, "ok"),
    ]
    assert shown(found["gray_test"], "cause statistic df events status") == [
        ("event", 1.06, 1, 3, "ok"),
        ("competing", 0.463, 1, 1, "ok"),
    ]
    assert shown(found["cox_term"], "model_id term hazard_ratio reference") == [
        ("ci", "groupold", 0.272, "young")
    ]
    assert shown(found["model"], "model_id kind n_events status") == [
        ("ci", "fine_gray", 3, "too_few_events")
    ]


def test_without_a_competing_event_the_model_says_that_it_is_coxs() -> None:
    spec = {"model_id": "ci", "title": "C", "endpoint": "relapse", "groups": ["young"], "terms": ["female"]}
    note = small_study.results(competing_risks=[spec])["model"]["note"].iloc[0]
    assert note.endswith("Nobody had a competing event: this is Cox's model.")


def test_a_patient_is_at_risk_of_a_further_event_until_last_seen() -> None:
    found = event_intervals(small_study.cohort(), "relapse", GROUPS)
    assert shown(found, "patient start stop event", 1) == [
        ("north|a", 0.0, 3.0, 1), ("north|a", 3.0, 10.0, 1), ("north|a", 10.0, 12.0, 0), ("north|b", 0.0, 12.0, 0),
        ("north|c", 0.0, 9.0, 1), ("north|c", 9.0, 12.0, 0), ("north|d", 0.0, 36.0, 0), ("south|e", 0.0, 36.0, 0),
        ("south|f", 0.0, 20.0, 0), ("south|g", 0.0, 24.0, 1), ("south|h", 0.0, 36.0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("andersen_gill", ("Andersen-Gill, efron ties, robust by 8 clusters", 11, 4)),
        ("pwp_total", ("Prentice-Williams-Peterson, total time, efron ties, robust by 8 clusters", 11, 4)),
        ("pwp_gap", ("Prentice-Williams-Peterson, gap time, efron ties, robust by 8 clusters", 11, 4)),
    ],
)
def test_recurrent_events_count_every_event(method: str, expected: tuple[str, int, int]) -> None:
    spec = {"model_id": "again", "title": "A", "endpoint": "relapse", "groups": GROUPS, "terms": ["group"]}
    found = small_study.results(recurrent_events=[spec | {"method": method}])
    name, n, n_events = found["model"].iloc[0][["method", "n", "n_events"]]
    assert (name.replace(", 2 strata", ""), n, n_events) == expected
    assert shown(found["cox_term"], "model_id term reference") == [("again", "groupold", "young")]


@pytest.mark.parametrize(
    ("test", "df_of_time", "said"),
    [
        ("uncorrected", (2.0, 10.0), "Partial eta squared 0.84 (0.49 to 0.90)"),
        ("greenhouse_geisser", (1.892, 9.461), "Partial eta squared 0.84 (0.49 to 0.90)"),
        ("huynh_feldt", (2.0, 10.0), "Partial eta squared 0.84 (0.49 to 0.90)"),
        ("pillai", (2.0, 4.0), "Pillai's trace"),
    ],
)
def test_repeated_measures_take_complete_courses(test: str, df_of_time: tuple, said: str) -> None:
    spec = {
        "model_id": "anova",
        "title": "A",
        "response": "score",
        "groups": GROUPS,
        "visits": VISITS,
        "test": test,
    }
    found = small_study.results(repeated_measures=[spec])
    terms = found["mixed_model_term"].set_index("term")
    assert terms.index.tolist() == ["intercept", "group", "time", "group_by_time"]
    assert set(terms["test"]) == {f"anova_{test}"}
    assert tuple(terms.loc["time", ["df_num", "df_den"]].astype(float).round(3)) == df_of_time
    assert terms.loc["time", "note"].startswith(said.split("(")[0].strip())
    model = found["model"].iloc[0]
    assert (model["kind"], model["n_patients"], model["n_missing"]) == ("repeated_measures", 7, 1)
    assert model["note"].startswith("1 patients without a value at every visit are left out")


def test_a_value_that_stays_a_bound_is_summarised_and_tested_as_one() -> None:
    variables = small_study.STUDY["variables"] | {
        "marker": {"label": "Marker", "censored": "bounds", "decimals": 1}
    }
    row = {"variable": "marker", "summary": "median_iqr", "test": "gehan"}
    table = small_study.STUDY["tables"][0] | {"rows": [row]}
    found = small_study.results(variables=variables, tables=[table])
    assert shown(found["baseline_summary"], "group_id n median display") == [
        ("young", 4, 3.5, "3.5 (2.8, 4.3)"),
        ("old", 4, None, "<0.1 (<0.1, 0.1–0.2)"),
    ]
    assert shown(found["group_comparison"], "test p_value effect_kind status") == [
        ("gehan", 0.018, "geometric_mean_ratio", "ok")
    ]


def test_further_tests_of_a_mixed_model_are_the_studys_choice() -> None:
    spec = {
        "model_id": "m", "title": "M", "response": "score", "groups": GROUPS, "visits": VISITS, "serial": "none",
        "random": "intercept", "beside": ["kenward_roger_f"],
    }  # fmt: skip
    terms = small_study.results(mixed_models=[spec])["mixed_model_term"]
    assert terms["test"].unique().tolist() == ["wald_chi_square", "kenward_roger_f"]


MODEL = {"model_id": "m", "title": "M", "response": "score", "groups": GROUPS, "visits": VISITS}
LOST = {"analysis_id": "l", "kind": "lost_to_follow_up", "endpoint": "relapse", "groups": GROUPS}
NORM = {"from_age": 4, "below_age": 5, "mean": 46.6, "sd": 2.3, "source": "S"}
FOR_AGE = {
    "analysis_id": "n",
    "kind": "norm_for_age",
    "variable": "score",
    "groups": ["young"],
    "visits": VISITS,
}


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            {"mixed_models": [MODEL | {"beside": ["kenward_roger_f"]}]},
            "kenward_roger_f is defined for reml without serial correlation; write serial: none, or"
            " satterthwaite_f",
        ),
        (
            {"repeated_measures": [MODEL | {"groups": ["yuong"]}]},
            'm: no group "yuong"; the study has young, old. Did you mean "young"?',
        ),
        (
            {"recurrent_events": [{"model_id": "r", "title": "R", "endpoint": "relaps", "groups": GROUPS, "terms": ["group"]}]},
            'r: no endpoint "relaps"; the study has relapse. Did you mean "relapse"?',
        ),
        (
            {"sensitivity": [LOST | {"reference": "young", "variables": ["scor"]}]},
            'l: no variable "scor"; the study has score, marker, age, female, relapse. Did you mean "score"?',
        ),
        (
            {"tables": [small_study.STUDY["tables"][0] | {"groups": ["old"]}]},
            'table I: the reference "young" is not among its groups old',
        ),
        (
            {"sensitivity": [{"analysis_id": "r", "kind": "restricted_mean", "endpoint": "relapse"}]},
            "r: write restricted_mean_months under survival of relapse",
        ),
        (
            {"sensitivity": [{"analysis_id": "c", "kind": "compare_models", "models": ["cox"]}]},
            'c: no model "cox"; the study has none.',
        ),
        (
            {"sensitivity": [{"analysis_id": "m", "kind": "missing_values"}]},
            "name tables, models or both: there is nothing to count",
        ),
        (
            {"sensitivity": [FOR_AGE | {"full_score": 52, "norms": [NORM, NORM | {"from_age": 4.5}]}]},
            "norms: the band from age 4.5 begins within the one up to 5; list bands by age, without overlap",
        ),
        (
            {"sensitivity": [FOR_AGE | {"full_score": 52, "norms": [NORM | {"below_age": 3}]}]},
            "below_age: expected more than from_age 4; found 3",
        ),
        ({"sensitivity": [{"analysis_id": "c", "kind": "compare_model", "models": []}]}, "'compare_models'"),
        (
            {"sensitivity": [{"analysis_id": "d", "kind": "detection_limits", "tables": ["I"]}] * 2},
            'analysis_id "d" is listed twice',
        ),
    ],
)  # fmt: skip
def test_a_fault_names_place_finding_and_remedy(parts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as fault:
        small_study.study(**parts)
    assert sentence in str(fault.value)


@pytest.mark.parametrize(
    ("censored", "row", "sentence"),
    [
        (
            "limit",
            {"summary": "median_iqr", "test": "gehan"},
            "marker: gehan needs the variable's censored: bounds; found limit",
        ),
        (
            "bounds",
            {"summary": "mean_sd", "test": "student_t"},
            "marker: censored: bounds goes with summary median_iqr and test peto_prentice, gehan,"
            " gehan_exact or none; found"
            " mean_sd, student_t",
        ),
    ],
)
def test_a_bound_and_its_test_go_together(censored: str, row: dict[str, str], sentence: str) -> None:
    variables = small_study.STUDY["variables"] | {"marker": {"label": "Marker", "censored": censored}}
    table = small_study.STUDY["tables"][0] | {"rows": [{"variable": "marker", **row}]}
    with pytest.raises(ValidationError) as fault:
        small_study.study(variables=variables, tables=[table])
    assert sentence in str(fault.value)
