"""A small registry of invented patients whose study asks for almost every method that a study can.

Belongs here: the tables of a release, the study, and the record of R's run: the sha256 of what R read, then
what it printed. To make it again, with R:

    python -m tests.unit.replay_fixture DIR && (cd DIR && Rscript replay.R > printed)
    python -m tests.unit.replay_fixture DIR printed
"""

from __future__ import annotations

import hashlib
import random
import sys
from functools import cache
from pathlib import Path

import pandas as pd

from analytics.replay_r import NOT_REPLAYED, OURS, ReleaseIdentity, csv_text, replay
from analytics.study.cohort import Cohort, Frames, build_cohort
from analytics.study.file import Study
from analytics.study.results import run_study
from analytics.study.step_parts import Results

RECORD = Path(__file__).parent / "golden" / "replay_r.txt"
RELEASE = ReleaseIdentity("r0123456789ab", "Registry of invented patients", True, {"numpy": "2.4.6"})
VISITS = {"baseline": 0.0, "month_3": 3.0, "month_6": 6.0, "month_12": 12.0}
GROUPS = ("young_a", "young_b", "old_a")
WEIGHTS = ("peto", "gehan_breslow", "fleming_harrington_early", "fleming_harrington_late")
ANALYSES = (
    "relapse",
    "flare",
    "admission",
    *WEIGHTS,
)  # endpoints of the same times, one for each test of curves

STUDY = {
    "study": "invented",
    "title": 'A title with a "quote", a\nline break and γ',
    "groups": {
        "young_a": {"label": "Young, A", "where": {"msa": "A", "onset_group": "juvenile"}},
        "young_b": {"label": "Young, B", "where": {"msa": "B", "onset_group": "juvenile"}},
        "old_a": {"label": "Old, A", "where": {"msa": "A", "onset_group": "adult"}},
    },
    "endpoints": {
        e: {"label": e, "events": ["dysphagia" if e == "flare" else "relapse"], "horizon_months": 36}
        for e in ANALYSES
    },
    "variables": {
        "cmas": {"label": "CMAS"},
        "ck": {"label": "CK", "unit": "U/L"},
        "il_6": {"label": "IL-6", "censored": "limit"},
        "il_6_bounds": {"label": "IL-6", "of": "il_6", "censored": "bounds"},
        "il_6_by_ck": {
            "label": "R",
            "source": "ratio",
            "numerator": "ck",
            "denominator": "il_6",
            "censored": "bounds",
        },
        "ratio": {"label": "CK/CMAS", "source": "ratio", "numerator": "ck", "denominator": "cmas"},
        "ferritin": {"label": "Ferritin"},
        "constant": {"label": "Constant"},
        "age": {"label": "Age", "source": "patient.age_at_onset_years"},
        "female": {"label": "Female", "source": "patient.sex", "equals": "female"},
        "dysphagia": {"label": "Dysphagia", "source": "event"},
        "rash": {"label": "Rash", "source": "event", "when": "ever"},
        "relapse": {"label": "Relapse", "source": "endpoint"},
    },
    "tables": [
        {
            "table_id": "I",
            "title": "At admission",
            "groups": list(GROUPS),
            "reference": "young_a",
            "rows": [
                {
                    "variable": "cmas",
                    "summary": "mean_sd",
                    "test": "welch_t",
                    "tests": {"old_a": "student_t"},
                },
                {
                    "variable": "age",
                    "summary": "mean_sd",
                    "test": "mann_whitney",
                    "tests": {"young_b": "none"},
                },
                {"variable": "ck", "summary": "median_iqr", "test": "mann_whitney"},
                {"variable": "ratio", "summary": "median_iqr", "test": "mann_whitney_exact"},
                {"variable": "il_6", "summary": "median_iqr", "test": "mann_whitney_exact"},
                {
                    "variable": "il_6_bounds",
                    "summary": "median_iqr",
                    "test": "peto_prentice",
                    "tests": {"old_a": "gehan"},
                },
                {"variable": "il_6_by_ck", "summary": "median_iqr", "test": "gehan_exact"},
                {"variable": "ferritin", "summary": "median_iqr", "test": "mann_whitney"},
                {"variable": "constant", "summary": "mean_sd", "test": "student_t"},
                {"variable": "female", "summary": "count_percent", "test": "fisher"},
                {"variable": "dysphagia", "summary": "count_percent", "test": "fisher_mid_p"},
                {"variable": "rash", "summary": "count_percent", "test": "fisher"},
                {"variable": "relapse", "summary": "count_percent", "test": "chi_square_yates"},
            ],
        },
        {
            "table_id": 'γ "late"',
            "title": "At month 6",
            "visit": "month_6",
            "groups": ["young_a", "old_a"],
            "reference": "young_a",
            "adjust": "hommel",
            "rows": [
                {"variable": "cmas", "summary": "median_iqr", "test": "mann_whitney_no_continuity"},
                {"variable": "ck", "summary": "mean_sd", "test": "welch_t"},
                {"variable": "dysphagia", "summary": "count_percent", "test": "chi_square"},
            ],
        },
        {
            "table_id": "spread",
            "title": "Spread, distributions, all groups together",
            "groups": list(GROUPS),
            "reference": "old_a",
            "rows": [
                {"variable": "cmas", "summary": "mean_sd", "test": "levene", "overall": "anova"},
                {"variable": "age", "summary": "mean_sd", "test": "brown_forsythe", "overall": "welch_anova"},
                {
                    "variable": "ck",
                    "summary": "median_iqr",
                    "test": "kolmogorov_smirnov",
                    "overall": "kruskal_wallis",
                },
                {
                    "variable": "il_6",
                    "summary": "median_iqr",
                    "test": "kolmogorov_smirnov",
                    "overall": "levene_k",
                },
                {"variable": "ratio", "summary": "mean_sd", "test": "none", "overall": "brown_forsythe_k"},
                {
                    "variable": "ferritin",
                    "summary": "median_iqr",
                    "test": "levene",
                    "overall": "kruskal_wallis",
                },
                {"variable": "constant", "summary": "mean_sd", "test": "brown_forsythe", "overall": "anova"},
                {"variable": "female", "summary": "count_percent", "test": "none", "overall": "fisher_k"},
                {
                    "variable": "dysphagia",
                    "summary": "count_percent",
                    "test": "none",
                    "overall": "chi_square_k",
                },
                {"variable": "rash", "summary": "count_percent", "test": "fisher", "overall": "fisher_k"},
            ],
        },
    ],
    "mixed_models": [
        {
            "model_id": "cmas_ar1",
            "title": "CMAS",
            "response": "cmas",
            "groups": list(GROUPS),
            "visits": list(VISITS),
        },
        {
            "model_id": "ck_car1",
            "title": "log CK",
            "response": "ck",
            "groups": ["young_a", "young_b"],
            "visits": list(VISITS),
            "transform": "log",
            "covariates": ["age", "female"],
            "random": "intercept",
            "serial": "car1",
            "method": "ml",
            "contrasts": "treatment",
            "adjust": "BH",
        },
        {
            "model_id": "cmas_plain",
            "title": "CMAS, independent residuals",
            "response": "cmas",
            "groups": ["young_a", "old_a"],
            "visits": list(VISITS),
            "serial": "none",
            "slope": "visit_index",
            "test": "kenward_roger_f",
            "beside": ["satterthwaite_f", "containment_f"],
        },
        {
            "model_id": "il_6_singular",
            "title": "IL-6",
            "response": "il_6",
            "groups": list(GROUPS),
            "visits": list(VISITS),
            "serial": "none",
        },
    ],
    "survival": [
        {
            "endpoint": "relapse",
            "title": "Relapse",
            "groups": list(GROUPS),
            "at_risk_months": [0, 4.5, 12, 40],
            "restricted_mean_months": 30,
            "trend": True,
        },
        {
            "endpoint": "flare",
            "title": "Flare",
            "groups": list(GROUPS),
            "weights": "tarone_ware",
            "adjust": "BH",
            "strata": ["sex"],
        },
        {"endpoint": "admission", "title": "Exact", "groups": ["young_a", "old_a"], "method": "exact"},
        *({"endpoint": w, "title": w, "groups": list(GROUPS), "weights": w} for w in WEIGHTS),
    ],
    "cox": [
        {
            "model_id": "efron",
            "title": "Strata",
            "endpoint": "relapse",
            "groups": list(GROUPS),
            "terms": ["group", "age"],
            "strata": ["sex"],
        },
        {
            "model_id": "exact",
            "title": "Exact ties",
            "endpoint": "relapse",
            "groups": list(GROUPS),
            "terms": ["age", "cmas"],
            "ties": "exact",
        },
        {
            "model_id": "breslow",
            "title": "Few",
            "endpoint": "flare",
            "groups": list(GROUPS),
            "terms": ["group", "age", "cmas", "female", "dysphagia"],
            "ties": "breslow",
        },
        {
            "model_id": "firth",
            "title": "Firth",
            "endpoint": "relapse",
            "groups": list(GROUPS),
            "terms": ["group", "rash", "age"],
            "method": "firth_cox",
        },
        {
            "model_id": "monotone",
            "title": "Runs to infinity",
            "endpoint": "relapse",
            "groups": list(GROUPS),
            "terms": ["rash"],
        },
    ],
    "recurrent_events": [
        {
            "model_id": f"again_{method}",
            "title": "Every flare",
            "endpoint": "flare",
            "groups": list(GROUPS),
            "terms": ["group", "age"],
            "method": method,
            "max_events": 3 if method.startswith("pwp") else None,
        }
        for method in ("andersen_gill", "pwp_total", "pwp_gap", "gamma_frailty")
    ],
}


@cache
def study() -> Study:
    return Study.model_validate(STUDY)


@cache
def cohort() -> Cohort:
    return build_cohort(study(), release_frames())


@cache
def results() -> Results:
    return run_study(study(), release_frames())


@cache
def files() -> dict[str, str | pd.DataFrame]:
    return replay(cohort(), results(), RELEASE)


def content(name: str) -> str:
    found = files()[name]
    return found if isinstance(found, str) else csv_text(found)


@cache
def release_frames() -> Frames:
    """39 patients of two hospitals, 13 a group; every number drawn from one seed."""
    draw = random.Random(2026)
    rows: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("patient", "antibody", "observation", "visit", "event", "time", "follow_up")
    }
    for number in range(39):
        _patient(rows, draw, number, GROUPS[number % 3])
    schedule = pd.DataFrame({"scheduled_visit": list(VISITS), "nominal_month": list(VISITS.values())})
    return {
        "dim_patient": pd.DataFrame(rows["patient"]),
        "dim_antibody_status": pd.DataFrame(rows["antibody"]),
        "dim_hospital": pd.DataFrame(
            {
                "hospital_id": ["north", "south"],
                "population": ["children", "adults"],
                "unlisted_events": ["unknown", "unknown"],
            }
        ),
        "fct_observation": pd.DataFrame(rows["observation"]).astype(
            {"lower_limit": float, "upper_limit": float}
        ),
        "fct_visit": pd.DataFrame(rows["visit"]),
        "fct_event": pd.DataFrame(rows["event"]),
        "fct_time_to_event": pd.DataFrame(rows["time"]),
        "fct_follow_up": pd.DataFrame(rows["follow_up"]),
        "fct_treatment": pd.DataFrame({"hospital_id": [], "patient_key": [], "treatment_id": []}, dtype=str),
        "fct_antibody_result": pd.DataFrame(
            columns=[
                "hospital_id",
                "patient_key",
                "is_positive",
                "antibody_group",
                "tested_date_iso",
                "time_days",
            ],
            dtype=str,
        ).astype({"time_days": float}),
        "fct_definition": pd.DataFrame(
            {"hospital_id": [], "patient_key": [], "definition_id": []}, dtype=str
        ),
        "patient_link": pd.DataFrame({"hospital_id": [], "patient_key": [], "person_key": []}, dtype=str),
        "event_types": pd.DataFrame(
            {"event_id": ["dysphagia", "rash", "relapse"], "category": ["sign", "sign", "relapse"]}
        ),
        "visit_schedule": schedule,
    }


def _patient(rows: dict[str, list[dict[str, object]]], draw: random.Random, number: int, group: str) -> None:
    key = {
        "hospital_id": "south" if group == "old_a" else "north",
        "patient_key": hashlib.sha256(str(number).encode()).hexdigest()[:32],
    }
    is_old = group == "old_a"
    rows["patient"].append(
        key
        | {
            "sex": draw.choice(["female", "male"]),
            "age_at_onset_years": round(draw.uniform(30, 60) if is_old else draw.uniform(2, 16), 2),
            "disease_duration_months": round(draw.expovariate(0.1), 1),
            "birth_year": 2000,
            "baseline_days": 0.0,
            "onset_group": "adult" if is_old else "juvenile",
            "diagnosis": "dm",
        }
    )
    rows["antibody"].append(key | {"msa": group[-1].upper(), "has_conflict": False, "decided_by": "test"})
    level, slope, ck_level = draw.gauss(35, 6), draw.gauss(0.4, 0.8), draw.gauss(6, 0.8)
    drift = 0.0  # of log CK, with a memory
    for visit, month in VISITS.items():
        drift = 0.6 * drift + draw.gauss(0, 0.5)
        is_seen = visit == "baseline" or draw.random() < 0.9
        if not is_seen:
            continue
        rows["visit"].append(
            key | {"scheduled_visit": visit, "is_scheduled": True, "time_days": month * 30.0}
        )
        shift = {"young_a": 0.0, "young_b": 6.0, "old_a": 2.0}[group]
        values = {
            "cmas": round(level + shift + slope * month + draw.gauss(0, 3)),
            "ck": round(draw.lognormvariate(ck_level - 0.05 * month + shift / 6 + drift, 0.2)),
            "il_6": round(draw.lognormvariate(1, 1), 1),
            "constant": 7.0,
        }
        if group != "young_b":
            values["ferritin"] = round(draw.lognormvariate(5, 1))
        for concept, value in values.items():
            if draw.random() < 0.05 and concept != "constant":
                continue
            is_below = concept == "il_6" and value < 1.5
            rows["observation"].append(
                key
                | {
                    "concept_id": concept,
                    "scheduled_visit": visit,
                    "is_visit_value": True,
                    "comparator": "<" if is_below else None,
                    "lower_limit": None,
                    "upper_limit": 1.5 if is_below else None,
                    "value_canonical": 1.5 if is_below else float(value),
                }
            )
        status = "present" if draw.random() < 0.3 else "absent"
        rows["event"].append(key | {"event_id": "dysphagia", "status": status, "time_days": month * 30.0})
    rash = "present" if group == "young_b" and number % 2 else "absent"
    rows["event"].append(key | {"event_id": "rash", "status": rash, "time_days": 0.0})
    months = round(draw.expovariate(0.04 if is_old else 0.02)) + 1.0
    is_event = months < 36 and rash == "absent" and draw.random() < 0.8
    rows["follow_up"].append(key | {"last_seen_days": months * 30.0})
    for endpoint in ANALYSES:
        rows["time"].append(
            key
            | {
                "endpoint": endpoint,
                "time_months": min(months, 36.0),
                "is_event": is_event,
                "is_competing": False,
                "outcome_known": is_event or months >= 36,
                "censor_reason": None if is_event else "end of the endpoint's horizon",
            }
        )


def digests() -> list[str]:
    """The files whose content R's run depends on and that do not depend on our estimates."""
    names = [name for name in files() if name not in (OURS, NOT_REPLAYED)]
    return [f"{hashlib.sha256(content(name).encode()).hexdigest()}  {name}" for name in names]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        printed = (folder / sys.argv[2]).read_text(encoding="utf-8")
        RECORD.write_text("\n".join([*digests(), printed.rstrip(), ""]), encoding="utf-8")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files():
            (folder / file).write_text(content(file), encoding="utf-8")
