"""Whatever a release lacks, a study that asks everything gets rows with a status and a note, never an
exception.

Releases are made from eight invented patients by taking things away: patients, groups, visits, concepts,
events, follow-up.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.status import OK, STATUSES
from analytics.study.file import Study
from analytics.study.results import run_study
from tests.unit import small_study

QUICK = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
GROUPS, VISITS = ["young", "old"], list(small_study.VISITS)
PATIENTS = [patient for patient, *_ in small_study.PATIENTS]
COURSE = {"title": "Course", "response": "score", "groups": GROUPS, "visits": VISITS}
TIMES = {"title": "Times", "endpoint": "relapse", "groups": GROUPS}
PAIR = {"groups": GROUPS, "reference": "young"}
NORM = {"from_age": 4, "below_age": 5, "mean": 46.6, "sd": 2.3, "n": 28, "source": "Somebody 2013"}
TABLE = small_study.STUDY["tables"][0]
RECURRENT = ("andersen_gill", "pwp_total", "pwp_gap", "gamma_frailty")
EVERYTHING: dict[str, Any] = {
    "variables": small_study.STUDY["variables"]
    | {
        "bounded": {"label": "Marker within bounds", "of": "marker", "censored": "bounds"},
        "share": {"label": "Share", "source": "ratio", "numerator": "score", "denominator": "marker"},
        "died": {"label": "Died", "source": "event", "of": "death", "when": "ever"},
    },
    "tables": [
        TABLE
        | {
            "rows": [
                *TABLE["rows"],
                {"variable": "share", "summary": "mean_sd", "test": "welch_t"},
                {"variable": "bounded", "summary": "median_iqr", "test": "gehan"},
                {"variable": "died", "summary": "count_percent", "test": "fisher"},
            ]
        },
        TABLE | {"table_id": "II", "title": "Month 6", "visit": "month_6", "rows": TABLE["rows"][:1]},
    ],
    "mixed_models": [
        COURSE | {"model_id": "plain", "random": "intercept", "serial": "none", "beside": ["kenward_roger_f"]},
        COURSE | {"model_id": "full", "covariates": ["age"], "beside": ["satterthwaite_f"]},
        COURSE | {"model_id": "logged", "transform": "log", "groups": ["young"], "serial": "car1"},
    ],
    "repeated_measures": [
        COURSE | {"model_id": "corrected"},
        COURSE | {"model_id": "multivariate", "test": "pillai"},
    ],
    "survival": [TIMES | {"restricted_mean_months": 36, "trend": True}],
    "cox": [
        TIMES | {"model_id": "cox", "terms": ["group", "age"]},
        TIMES | {"model_id": "stratified", "terms": ["group", "score"], "strata": ["sex"]},
        TIMES | {"model_id": "firth", "terms": ["group", "age"], "method": "firth_cox"},
    ],
    "competing_risks": [TIMES | {"model_id": "fine_gray", "terms": ["group", "age"]}],
    "recurrent_events": [TIMES | {"model_id": m, "terms": ["group"], "method": m} for m in RECURRENT],
    "sensitivity": [
        {"kind": "multiplicity", "tables": ["I", "II"]},
        {"kind": "compare_models", "models": ["plain", "full", "corrected"]},
        {"kind": "log_rank_variants", "endpoint": "relapse", "groups": GROUPS, "variants": ["exact", "peto"]},
        {"kind": "restricted_mean", "endpoint": "relapse"},
        {"kind": "detection_limits", "tables": ["I", "II"]},
        {"kind": "confounding", "groups": GROUPS, "factors": ["hospital_id", "sex"], "outcome": "score"},
        PAIR | {"kind": "adjusted_difference", "variable": "score", "covariates": ["age"]},
        {"kind": "norm_for_age", "variable": "score", "groups": GROUPS, "visits": VISITS, "norms": [NORM],
         "full_score": 52},
        PAIR | {"kind": "lost_to_follow_up", "endpoint": "relapse", "variables": ["score", "female"]},
        {"kind": "missing_values", "tables": ["I", "II"], "models": ["plain", "full"]},
        PAIR | {"kind": "multiple_imputation", "variable": "score", "visits": VISITS, "covariates": ["age"],
                "shifts": [-5], "imputations": 2, "iterations": 1},
    ],
}  # fmt: skip
# one row or more of the table for each analysis of the study file, by the column that names the analysis
ANSWERED_IN = {
    "mixed_models": ("model", "model_id"),
    "repeated_measures": ("model", "model_id"),
    "survival": ("log_rank", "endpoint"),
    "cox": ("model", "model_id"),
    "competing_risks": ("gray_test", "model_id"),
    "recurrent_events": ("model", "model_id"),
    "sensitivity": ("sensitivity_question", "analysis_id"),
}


def everything() -> Study:
    asked = [s | {"analysis_id": s["kind"]} for s in EVERYTHING["sensitivity"]]
    return small_study.study(**EVERYTHING | {"sensitivity": asked})


def release(
    patients: list[str], visits: list[str], concepts: list[str], lacks: list[str], has_events: bool = True
) -> dict[str, pd.DataFrame]:
    """The small release, of these patients, visits and concepts alone, with some tables empty."""
    frames = {
        name: frame[frame["patient_key"].isin(patients)] if "patient_key" in frame else frame
        for name, frame in small_study.frames().items()
    }
    seen = frames["fct_observation"]
    frames["fct_observation"] = seen[seen["scheduled_visit"].isin(visits) & seen["concept_id"].isin(concepts)]
    if not has_events:
        frames["fct_time_to_event"] = frames["fct_time_to_event"].assign(is_event=False, is_competing=False)
    return frames | {name: frames[name].iloc[:0] for name in lacks}


def answered(frames: dict[str, pd.DataFrame]) -> None:
    """Every analysis has its row; every row that is not ok says why; every status is one of the words."""
    study = everything()
    results = run_study(study, frames)
    for part, (table, key) in ANSWERED_IN.items():
        wanted = {getattr(spec, key) for spec in getattr(study, part)}
        assert wanted <= set(results[table].get(key, ())), (part, table)
    for table in ("I", "II"):
        asked = {row.variable for t in study.tables if t.table_id == table for row in t.rows}
        compared = results["group_comparison"]
        assert asked <= set(compared.loc[compared["table_id"] == table, "variable"])
    for name, frame in results.items():
        if {"status", "note"} <= set(frame.columns):
            assert set(frame["status"].dropna()) <= STATUSES, name
            is_silent = frame["status"].notna() & (frame["status"] != OK) & (frame["note"].fillna("") == "")
            if name == "cox_term":  # a ratio that was estimated is remarked on at its model
                is_silent &= frame["hazard_ratio"].isna()
            if name == "sensitivity_question":
                is_silent &= frame["answer"] == ""
            assert not is_silent.any(), (name, frame[is_silent].to_dict("records")[:2])


ALL = {"patients": PATIENTS, "visits": VISITS, "concepts": ["score", "marker"], "lacks": []}


@pytest.mark.parametrize(
    "less",
    [
        {"patients": []},
        {"patients": ["a"]},
        {"patients": ["a", "e"]},
        {"patients": ["f"], "visits": ["month_6"]},  # only a competing event
        {"patients": PATIENTS[:4]},
        {"patients": PATIENTS[4:]},
        {"visits": []},
        {"visits": ["baseline"]},
        {"visits": ["month_6", "month_12"]},
        {"concepts": ["marker"]},
        {"has_events": False},
        {"lacks": ["fct_event"]},
        {"lacks": ["fct_time_to_event"]},
        {"lacks": ["fct_visit", "fct_follow_up", "dim_antibody_status"]},
    ],
    ids=str,
)
def test_a_study_answers_whatever_the_release_lacks(less: dict[str, Any]) -> None:
    answered(release(**ALL | less))


@QUICK
@given(
    st.lists(st.sampled_from(PATIENTS), unique=True),
    st.lists(st.sampled_from(VISITS), unique=True),
    st.lists(st.sampled_from(["score", "marker"]), unique=True),
    st.lists(st.sampled_from(["fct_event", "fct_visit", "fct_follow_up", "fct_time_to_event"]), max_size=1),
    st.booleans(),
)
def test_a_study_answers_on_every_small_release(
    patients: list[str], visits: list[str], concepts: list[str], lacks: list[str], has_events: bool
) -> None:
    answered(release(patients, visits, concepts, lacks, has_events))
