"""Who is in each analysis of a study, and the criterion that decided."""

from __future__ import annotations

import pandas as pd

from analytics.study.cohort import build_cohort
from analytics.study.members import members_of_analyses
from analytics.study.results import run_study
from tests.unit import small_study

ANALYSES = {
    "mixed_models": [
        {"model_id": "course", "title": "C", "response": "score", "groups": ["young", "old"], "visits": ["baseline", "month_6"]},
        {
            "model_id": "adjusted", "title": "A", "response": "score", "groups": ["young"], "visits": ["baseline", "month_6"],
            "covariates": ["weight"],
        },
    ],
    "repeated_measures": [
        {"model_id": "anova", "title": "V", "response": "score", "groups": ["young", "old"], "visits": ["baseline", "month_12"]}
    ],
    "survival": [{"endpoint": "relapse", "title": "R", "groups": ["young", "old"]}],
    "cox": [{"model_id": "cox", "title": "X", "endpoint": "relapse", "groups": ["young"], "terms": ["weight"]}],
    "recurrent_events": [{"model_id": "again", "title": "G", "endpoint": "relapse", "groups": ["young"], "terms": ["age"]}],
    "variables": small_study.STUDY["variables"] | {"weight": {"label": "Weight"}},
}  # fmt: skip


def frames() -> dict[str, pd.DataFrame]:
    """The small study's, with a weight of a and c, and days of visits."""
    found = small_study.frames()
    weights = pd.DataFrame(
        [
            {
                "hospital_id": "north", "patient_key": p, "concept_id": "weight", "scheduled_visit": "baseline",
                "value_canonical": 20.0, "is_visit_value": True,
            }
            for p in ("a", "c")
        ]
    )  # fmt: skip
    found["fct_observation"] = pd.concat([found["fct_observation"], weights], ignore_index=True)
    found["fct_visit"] = found["fct_visit"].assign(visit_date_iso="2024-05-06")
    return found


def members() -> pd.DataFrame:
    return members_of_analyses(build_cohort(small_study.study(**ANALYSES), frames()))


def of(analysis: str) -> dict[str, tuple[bool, str, str]]:
    rows = members()
    rows = rows[rows["analysis"] == analysis]
    return {r.patient_key: (r.is_counted, r.step, r.criterion) for r in rows.itertuples()}


def test_every_registered_patient_stands_once_in_each_analysis() -> None:
    counts = members().groupby(["kind", "analysis"])["patient_key"].agg(["nunique", "size"])
    assert set(counts.index.get_level_values("analysis")) == {
        "cohort", "I", "course", "adjusted", "anova", "relapse", "cox", "again",
    }  # fmt: skip
    assert (counts == 8).all(axis=None)


def test_a_member_is_told_the_conditions_that_hold_and_somebody_else_the_reason() -> None:
    found = of("cohort")
    assert found["a"] == (True, "in a group", "onset_group juvenile")
    alone = small_study.study(groups={"young": {"label": "Young", "where": {"msa": "B"}}}, tables=[])
    rows = members_of_analyses(build_cohort(alone, frames()))
    assert not rows["is_counted"].any()
    assert set(rows["criterion"]) == {
        "in none of the groups (antibody A, onset juvenile)",
        "in none of the groups (antibody A, onset adult)",
    }


def test_an_analysis_of_variance_counts_who_has_every_value_and_a_mixed_model_who_has_one() -> None:
    assert of("course")["d"] == (True, "counted", "with 2 of 2 values")
    assert of("anova")["d"] == (False, "not counted", "without a value at each of the visits")


def test_a_model_leaves_out_who_lacks_a_covariate_and_says_which() -> None:
    assert of("adjusted")["b"] == (False, "not counted", "without a value of weight at baseline")
    assert of("cox")["b"] == (False, "not counted", "without a value of weight at baseline")
    assert of("cox")["a"] == (True, "with the event", "within the horizon")
    assert of("cox")["e"] == (False, "not in a group", "in a group that this analysis does not compare")


def test_an_endpoint_tells_the_event_the_competing_event_and_the_censoring() -> None:
    found = of("relapse")
    assert found["a"][:2] == (True, "with the event")
    assert found["f"] == (True, "with a competing event", "a competing event came first")
    assert found["h"][:2] == (True, "censored")
    assert of("again")["a"][2] == "events while followed: 2"


def test_the_day_is_that_of_the_fact_that_decided() -> None:
    rows = members().set_index(["analysis", "patient_key"])
    assert rows.loc[("course", "a"), "decided_date_iso"] == "2024-05-06"
    assert rows.loc[("course", "a"), "decided_days"] == 0.0


def test_the_members_are_as_many_as_the_flow_and_the_models_count() -> None:
    found = run_study(small_study.study(**ANALYSES), frames())
    counted = found["cohort_member"].query("is_counted").groupby("analysis").size()
    for model in found["model"].itertuples():
        assert counted.get(model.model_id, 0) == model.n_patients, model.model_id
    flow = found["cohort_flow"].query("step == 'counted'").groupby("analysis")["n"].sum()
    assert flow["relapse"] == counted["relapse"] and flow["course"] == counted["course"]
