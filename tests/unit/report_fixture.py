"""A small release file with every table that the report reads: made for tests, of invented numbers.

Belongs here: rows of results, quality and release, with what is awkward in them (statuses not ok, small
cells, no events, Chinese names, markup in names). Does not belong here: any estimate; the numbers are drawn,
not computed.
"""

# fmt: off
from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

STUDY, RELEASE = "nxp2", "20260214T090000-1a2b3c4d"
GROUPS = {
    "nxp2_jdm": ("NXP2⁺ JDM", 18),
    "mda5_jdm": ("MDA5⁺ JDM", 12),
    "tif1g_jdm": ("TIF1γ⁺ JDM", 12),
    "nxp2_adult_dm": ("NXP2⁺ adult DM", 20),
}
VISITS = {"baseline": 0, "month_3": 3, "month_6": 6, "month_12": 12, "month_24": 24}
VARIABLES = {
    "cmas": ("CMAS", "points", "mean"),
    "age_at_onset": ("Age at onset", "years", "mean"),
    "female": ("Sex, female", "", "count"),
    "disease_duration": ("Course of disease", "months", "median"),
    "wbc": ("WBC", "×10⁹/L", "mean"),
    "haemoglobin": ("Haemoglobin", "g/L", "mean"),
    "platelets": ("Platelets", "×10⁹/L", "mean"),
    "crp": ("CRP", "mg/L", "median"),
    "esr": ("ESR", "mm/h", "mean"),
    "ck": ("CK", "U/L", "median"),
    "ck_mb": ("CK-MB", "U/L", "median"),
    "alt": ("ALT", "U/L", "median"),
    "ast": ("AST", "U/L", "median"),
    "ldh": ("LDH", "U/L", "mean"),
    "creatinine": ("Creatinine", "µmol/L", "mean"),
    "ferritin": ("Ferritin", "µg/L", "median"),
    "igg": ("IgG", "g/L", "mean"),
    "igm": ("IgM", "g/L", "mean"),
    "cd19": ("CD19⁺", "%", "mean"),
    "cd3": ("CD3⁺", "%", "mean"),
    "nk": ("NK cells", "%", "median"),
    "il_6": ("IL-6", "pg/mL", "median"),
    "il_10": ("IL-10", "pg/mL", "median"),
    "ifn_gamma": ("IFN-γ", "pg/mL", "median"),
    "il_10_ifn_gamma_ratio": ("IL-10/IFN-γ", "", "median"),
    "dysphagia": ("Dysphagia", "", "count"),
    "calcinosis": ("Calcinosis", "", "count"),
    "gottron": ("Gottron papules", "", "count"),
    "heliotrope": ("Heliotrope rash", "", "count"),
    "relapse": ("Relapse within 36 months", "", "count"),
}
TABLES = {
    "I": ("Children by antibody", ["nxp2_jdm", "mda5_jdm", "tif1g_jdm"], 30),
    "II": ("NXP2⁺ children and adults", ["nxp2_jdm", "nxp2_adult_dm"], 22),
}
MODELS = {
    "table_iii_cmas": ("cmas", "CMAS", "wald_chi_square"),
    "table_iii_ck": ("ck", "CK", "wald_chi_square"),
    "table_iii_il_10_ifn_gamma_ratio": ("il_10_ifn_gamma_ratio", "IL-10/IFN-γ", "wald_chi_square"),
    "log_ck": ("ck", "log CK", "satterthwaite_f"),
}
SMALL = ("ck", "il_6", "female", "calcinosis", "heliotrope", "relapse")
METHOD = "linear mixed model, REML, random intercept and slope (months), AR1 over visit; sum contrasts"
HOSPITALS = {
    "zjch": "浙江大学医学院附属儿童医院 Children's Hospital (synthetic)",
    "zjfah": "First Affiliated Hospital <synthetic & invented>",
}


def make_release(
    path: Path,
    *,
    threshold: int = 0,
    synthetic: bool = True,
    reproduction: bool = True,
    cox: bool = True,
    small: bool = False,
    hospital: str = "",
    seed: int = 7,
) -> Path:
    """Write the release file.

    ``hospital`` replaces the second hospital's name; ``small`` leaves out what takes time: courses and
    most variables and models.
    """
    rng = random.Random(seed)
    tables: dict[str, list[dict[str, Any]]] = {
        "release.release_info": [_info(threshold, synthetic)],
        "release.dim_hospital": [
            {
                "hospital_id": h, "sender_id": h,
                "hospital_name": hospital if hospital and h == "zjfah" else n, "population": p,
            }
            for (h, n), p in zip(HOSPITALS.items(), ("children", "adults"), strict=True)
        ],
        **_study(), **_baseline(rng, small), **_mixed(rng, small), **_survival(), **_quality(),
    }
    tables |= {} if small else _courses(rng)
    tables["results.model"] += _cox_models() if cox else []
    tables |= {"results.cox_term": _cox_terms()} if cox else {}
    tables |= {"results.reproduction": _reproduction()} if reproduction else {}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as file; use file")
        for schema in ("release", "results", "quality"):
            connection.execute(f"create schema file.{schema}")
        for name, rows in tables.items():
            frame = pd.DataFrame(rows)
            if name.startswith("results."):
                frame.insert(0, "release_id", RELEASE)
                frame.insert(0, "study_id", STUDY)
            connection.register("frame", frame)
            connection.execute(f"create table file.{name} as select * from frame")
            connection.unregister("frame")
    return path


def _info(threshold: int, synthetic: bool) -> dict[str, Any]:
    return {
        "release_id": RELEASE, "registry_name": "Myositis registry (synthetic example)",
        "synthetic": synthetic, "small_cell_threshold": threshold,
        "made_at": pd.Timestamp("2026-02-14 09:00:00"),
        "versions": json.dumps(
            {"python": "3.11.7", "duckdb": "1.5.5", "project": "0.1.0", "dbt-core": "1.11.16"}
        ),
    }


def _study() -> dict[str, list[dict[str, Any]]]:
    return {
        "results.study": [
            {
                "title": "NXP2⁺ juvenile dermatomyositis: CK, CMAS and relapse over two years",
                "description": "How children with anti-NXP2 antibodies differ from children with other"
                " antibodies and from adults with the same, at baseline, over two years, and in relapse over"
                " three.",
                "origin": "Clinical and Experimental Rheumatology 2026",
            }
        ],
        "results.study_group": [
            {"group_id": g, "label": label, "n": n, "position": i}
            for i, (g, (label, n)) in enumerate(GROUPS.items())
        ],
        "results.study_variable": [
            {"variable": v, "label": label, "unit": unit or None, "source": "observation", "position": i}
            for i, (v, (label, unit, _)) in enumerate(VARIABLES.items())
        ],
        "results.study_table": [
            {"table_id": t, "title": title, "position": i}
            for i, (t, (title, _, _)) in enumerate(TABLES.items())
        ],
        "results.study_endpoint": [{"endpoint": "relapse", "label": "Relapse"}],
        "results.cohort_flow": _flow(),
        "results.finding": [
            {
                "position": 1, "topic": "Age and hospital",
                "text": "All children come from one hospital and all adults from the "
                "other: a difference between children and adults may be a difference between hospitals.",
            },
            {
                "position": 2, "topic": "Few events",
                "text": "Two groups have one relapse each. A hazard ratio that involves "
                "them rests on that single event; Firth's penalty makes it finite, not certain.",
            },
            {
                "position": 3, "topic": "Lost to follow-up",
                "text": "Three NXP2⁺ children were lost before 36 months without a "
                "relapse. Percentages leave them out, curves count them until they were last seen.",
            },
            {
                "position": 4, "topic": "CMAS and age",
                "text": "Healthy four-year-olds average about 46.6 of 52 points. Part of a "
                "low CMAS in the youngest is age.",
            },
        ],
    }


def _flow() -> list[dict[str, Any]]:
    rows = [
        ("cohort", "registered", None, 64, "patients in the release"),
        ("cohort", "not in a group", None, 2, "in none of the groups (antibody MI2, onset adult)"),
        *(("cohort", "in a group", g, n, label) for g, (label, n) in GROUPS.items()),
    ]
    for model in ("table_iii_cmas", "table_iii_ck"):
        for group, n in (("nxp2_jdm", 18), ("mda5_jdm", 11)):
            rows += [
                (model, "counted", group, n, f"with a value at one visit or more ({n * 5 - 3} values)"),
                (model, "not counted", group, GROUPS[group][1] - n, "without a value at any of the visits"),
            ]
    for group, (_, n) in GROUPS.items():
        rows += [
            ("relapse", "counted", group, n, "followed from baseline"),
            ("relapse", "with the event", group, 9 if group == "nxp2_jdm" else 1, "within the horizon"),
        ]
        rows += [("relapse", "censored", group, 3, "lost to follow-up")] if group == "nxp2_jdm" else []
    return [
        {"analysis": a, "step": s, "position": i, "group_id": g, "n": n, "reason": r}
        for i, (a, s, g, n, r) in enumerate(rows)
    ]


def _baseline(rng: random.Random, small: bool) -> dict[str, list[dict[str, Any]]]:
    summaries, comparisons = [], []
    for table, (_, groups, rows) in TABLES.items():
        for position, (variable, (_, _, kind)) in enumerate(list(VARIABLES.items())[:rows]):
            if small and variable not in SMALL:
                continue
            for group in groups:
                summaries.append(
                    {"table_id": table, "position": position, "variable": variable, "group_id": group}
                    | _summary(rng, variable, kind, group, GROUPS[group][1])
                )
            for other in groups[1:]:
                comparisons.append(
                    {
                        "table_id": table, "position": position, "variable": variable, "group_a": groups[0],
                        "group_b": other, "n_a": 18, "n_b": GROUPS[other][1],
                    }
                    | _comparison(rng, variable, kind)
                )
    return {"results.baseline_summary": summaries, "results.group_comparison": comparisons}


def _summary(rng: random.Random, variable: str, kind: str, group: str, size: int) -> dict[str, Any]:
    missing = 3 if (variable, group) == ("relapse", "nxp2_jdm") else 1 if variable == "ldh" else 0
    n = size - missing
    row: dict[str, Any] = dict.fromkeys(("mean", "sd", "median", "q1", "q3", "count", "percent"))
    row |= {"n": n, "n_missing": missing, "method": kind, "status": "ok", "note": ""}
    scale = rng.choice([3, 20, 120, 900])
    if kind == "mean":
        row |= {
            "mean": scale * 1.0, "sd": scale / 3,
            "display": f"{scale * rng.uniform(0.8, 1.2):.2f} ± {scale / 3:.2f}",
        }
    elif kind == "median":
        row |= {
            "median": scale, "q1": scale / 2, "q3": scale * 1.8,
            "display": f"{scale} ({scale / 2:g}, {scale * 1.8:g})",
        }
        if variable == "il_10" and "adult" in group:
            row |= {
                "display": "<0.10 (<0.10, 1.18)",
                "note": "Half of the values lie below the limit of detection.",
            }
    else:
        count = {"calcinosis": 2, "relapse": 1, "heliotrope": n}.get(variable, rng.randint(5, n - 5))
        count = 9 if (variable, group) == ("relapse", "nxp2_jdm") else count
        row |= {"count": count, "percent": 100 * count / n, "display": f"{count} ({100 * count / n:.2f})"}
    return row


def _comparison(rng: random.Random, variable: str, kind: str) -> dict[str, Any]:
    test, effect = {
        "mean": ("welch_t", "mean_difference"), "median": ("mann_whitney", "hodges_lehmann_shift"),
        "count": ("fisher", "odds_ratio"),
    }[kind]
    p = rng.choice([0.0004, 0.004, 0.03, 0.2, 0.7, 1.0])
    centre = rng.uniform(0.3, 4) if kind == "count" else rng.uniform(-300, 300)
    row = {
        "test": test, "statistic": 1.3, "df": None, "p_value": p, "p_adjusted": min(1, p * 3),
        "effect": centre, "effect_kind": effect, "ci_low": centre - abs(centre) * 0.8,
        "ci_high": centre + abs(centre) * 1.4, "display": "<0.001" if p < 0.001 else f"{p:.3f}",
        "method": "two-sided", "n": 30, "status": "ok", "note": "", "adjustment": "BH",
    }
    if variable == "heliotrope":
        row |= {
            "effect": None, "ci_low": None, "ci_high": math.inf, "status": "too_few_observations",
            "note": "everybody in both groups has the sign",
        }
    if variable == "il_6":
        row |= dict.fromkeys(("p_value", "p_adjusted", "effect", "ci_low", "ci_high", "display")) | {
            "status": "not_estimable",
            "note": "Every observed value of il_6 is the same: ranks cannot tell the groups apart.",
        }
    return row


def _mixed(rng: random.Random, small: bool) -> dict[str, list[dict[str, Any]]]:
    terms, contrasts, means, parameters, models = [], [], [], [], []
    for model, (response, title, test) in MODELS.items():
        if small and response != "ck":
            continue
        state = (
            {"status": "singular", "note": "The variance of the slope is 0: the search ends on the boundary."}
            if response == "il_10_ifn_gamma_ratio"
            else {"status": "ok", "note": ""}
        )
        models.append(
            {
                "model_id": model, "kind": "mixed_model", "title": title, "response": response,
                "method": METHOD, "n": 141,
                "formula_text": f"{response} ~ group * visit, random = ~ months | patient",
                "n_patients": 30, "n_events": None, "contrasts": "sum", "random": "intercept_slope",
                "serial": "ar1", "log_likelihood": -512.3, "aic": 1054.6, "bic": 1097.2,
            }
            | state
        )
        base = {"model_id": model, "response": response, "method": METHOD, "n": 141} | state
        for how in dict.fromkeys([test, "satterthwaite_f"]):
            for term, df in {"intercept": 1, "group": 1, "time": 4, "group_by_time": 4}.items():
                chi = rng.choice([358.135, 3.6371, 27.386])
                terms.append(
                    base
                    | {
                        "term": term, "test": how, "statistic": chi, "df_num": df,
                        "df_den": 57.31 if how == "satterthwaite_f" else None,
                        "p_value": 0.05651 if chi < 4 else 1e-9,
                    }
                )
        for visit in VISITS:
            d = rng.uniform(-20, 5)
            contrasts.append(
                base
                | {
                    "visit": visit, "group_a": "nxp2_jdm", "group_b": "mda5_jdm", "estimate": d,
                    "std_error": 3.3, "df": 61.2, "ci_low": d - 6.6, "ci_high": d + 6.6, "p_value": 0.02,
                    "p_adjusted": 0.06,
                }
            )
            means += [
                base
                | {
                    "visit": visit, "group_id": g, "estimate": 40 + d, "std_error": 2.1, "df": 60.0,
                    "ci_low": 36 + d, "ci_high": 44 + d,
                }
                for g in ("nxp2_jdm", "mda5_jdm")
            ]
        parameters += [
            base
            | {
                "kind": k, "parameter": name, "estimate": e, "std_error": 1.2, "ci_low": e - 2.4,
                "ci_high": e + 2.4, "p_value": 0.04 if k == "fixed" else None,
            }
            for k, name, e in (
                ("fixed", "Intercept", 41.2), ("fixed", "group[nxp2_jdm]", -3.1),
                ("variance", "sd((Intercept))", 6.4), ("correlation", "ar1", 0.31),
                ("residual", "sigma", 3.2),
            )
        ]
    return {
        "results.mixed_model_term": terms, "results.visit_contrast": contrasts,
        "results.marginal_mean": means, "results.mixed_model_parameter": parameters,
        "results.model": models,
    }


def _courses(rng: random.Random) -> dict[str, list[dict[str, Any]]]:
    patients, means = [], []
    level = {
        "cmas": lambda g, m, u: min(
            52, 31 + (6 if g != "nxp2_jdm" else 0) + 16 * (1 - math.exp(-m / 5)) + u * 5
        ),
        "ck": lambda g, m, u: (2600 if "nxp2" in g else 190) * math.exp(-m / 4) * math.exp(u) + 60,
        "il_10_ifn_gamma_ratio": lambda g, m, u: max(0.02, 1.2 + u * 0.7),
    }
    for response, at in level.items():
        for group in (
            "nxp2_jdm", "mda5_jdm", "tif1g_jdm", *(["nxp2_adult_dm"] if response != "cmas" else []),
        ):
            draws = [rng.gauss(0, 1) for _ in range(GROUPS[group][1])]
            for visit, month in VISITS.items():
                values = []
                for line, u in enumerate(draws):
                    if rng.random() < 0.06:
                        continue
                    value = at(group, month, u + rng.gauss(0, 0.25))
                    values.append(value)
                    patients.append(
                        {
                            "response": response, "group_id": group, "line": line, "visit": visit,
                            "nominal_month": month, "time_months": max(0.0, month + rng.uniform(-0.5, 0.5)),
                            "value": value, "is_censored": response.startswith("il") and value < 0.1,
                        }
                    )
                s = pd.Series(values)
                half = 2.1 * s.std() / math.sqrt(len(s))
                means.append(
                    {
                        "response": response, "group_id": group, "visit": visit, "nominal_month": month,
                        "n": len(s), "mean": s.mean(), "sd": s.std(), "ci_low": s.mean() - half,
                        "ci_high": s.mean() + half, "median": s.median(), "q1": s.quantile(0.25),
                        "q3": s.quantile(0.75),
                    }
                )
    return {"results.trajectory_patient": patients, "results.trajectory_mean": means}


def _survival() -> dict[str, list[dict[str, Any]]]:
    events = {
        "nxp2_jdm": [5, 8, 8, 11, 14, 18, 22, 27, 33], "mda5_jdm": [19],
        "tif1g_jdm": [7, 9, 15, 20, 26, 31], "nxp2_adult_dm": [],
    }
    lost = {"nxp2_jdm": [10, 16, 25]}
    curve, risk, median = [], [], []
    for group, times in events.items():
        n, survival = GROUPS[group][1], 1.0
        for time in sorted({*times, *lost.get(group, []), 36}):
            d, gone = times.count(time), lost.get(group, []).count(time)
            gone = n - d if time == 36 else gone
            survival *= 1 - d / n
            low, high = (None, None) if survival == 1 else (max(0, survival - 0.22), min(1, survival + 0.12))
            curve.append(
                {
                    "endpoint": "relapse", "group_id": group, "time": float(time), "at_risk": n,
                    "events": d, "censored": gone, "survival": survival, "ci_low": low, "ci_high": high,
                    "method": "Kaplan-Meier, log-log limits", "n": GROUPS[group][1], "status": "ok",
                    "note": "",
                }
            )
            n -= d + gone
        for at in range(0, 37, 6):
            left = GROUPS[group][1] - sum(t < at for t in [*times, *lost.get(group, [])])
            risk.append(
                {
                    "endpoint": "relapse", "group_id": group, "time": float(at), "at_risk": left,
                    "events": 0, "censored": 0,
                }
            )
        state = (
            {"status": "no_events", "note": "No event: the median is not reached."}
            if not times
            else {"status": "ok", "note": ""}
        )
        median.append(
            {
                "endpoint": "relapse", "group_id": group, "n": GROUPS[group][1], "events": len(times),
                "median": 27.0 if group == "nxp2_jdm" else None,
                "ci_low": 11.0 if group == "nxp2_jdm" else None, "ci_high": None,
            }
            | state
        )
    tests = [
        {
            "scope": "overall", "group_a": None, "group_b": None, "statistic": 19.14, "df": 3,
            "p_value": 0.00026, "p_adjusted": None, "status": "ok", "note": "",
        }
    ]
    tests += [
        {
            "scope": "pairwise", "group_a": "nxp2_jdm", "group_b": g, "statistic": x, "df": 1, "p_value": p,
            "p_adjusted": min(1, 3 * p), "status": s, "note": note,
        }
        for g, x, p, s, note in (
            ("mda5_jdm", 4.71, 0.03, "too_few_events", "one event in one of the groups"),
            ("tif1g_jdm", 0.12, 0.73, "ok", ""), ("nxp2_adult_dm", 16.2, 0.00006, "ok", ""),
        )
    ]
    return {
        "results.survival_curve": curve, "results.survival_at_risk": risk,
        "results.survival_median": median,
        "results.log_rank": [{"endpoint": "relapse", "method": "log-rank", "n": 62} | t for t in tests],
    }


def _cox_models() -> list[dict[str, Any]]:
    return [
        {
            "model_id": m, "kind": k, "title": t, "response": None, "formula_text": "group + age_at_onset",
            "method": how, "n": 62, "n_patients": 62, "n_events": 17, "status": s, "note": note,
        }
        for m, k, t, how, s, note in (
            (
                "cox_relapse", "cox", "Relapse", "Cox model, Efron ties", "monotone_likelihood",
                "No adult relapsed.",
            ),
            (
                "firth_relapse", "firth_cox", "Relapse, Firth",
                "Cox model with Firth's penalty, profile limits", "ok", "",
            ),
        )
    ]


def _cox_terms() -> list[dict[str, Any]]:
    rows = []
    for model in ("cox_relapse", "firth_relapse"):
        for term, hr, low, high, p in (
            ("groupmda5_jdm", 0.11, 0.01, 0.86, 0.036), ("grouptif1g_jdm", 0.82, 0.29, 2.3, 0.71),
            ("groupnxp2_adult_dm", 0.02, 0.0, 0.18, 0.0004), ("age_at_onset", 1.05, 0.91, 1.2, 0.5),
        ):
            bad = model == "cox_relapse" and "adult" in term
            rows.append(
                {
                    "model_id": model, "endpoint": "relapse", "term": term,
                    "hazard_ratio": 0.0 if bad else hr, "ci_low": None if bad else low,
                    "ci_high": math.inf if bad else high, "statistic": -2.1, "p_value": None if bad else p,
                    "ph_p_value": 0.4, "method": "cox", "n": 62,
                    "status": "monotone_likelihood" if bad else "ok",
                    "note": "No adult relapsed: the hazard ratio runs to 0." if bad else "",
                }
            )
    return rows


def _quality() -> dict[str, list[dict[str, Any]]]:
    deliveries = [
        ("zjch", "2023-06-30", "accepted", 2, 2310, 2301, ""),
        ("zjch", "2025-06-30", "accepted", 2, 1890, 1888, ""),
        ("zjfah", "2024-06-30", "accepted", 6, 412, 412, ""),
        ("zjfah", "2024-07-31", "refused", 6, 430, 0, 'synthetic_visits.csv: no column "CK(U/l)"'),
    ]
    return {
        "quality.delivery": [
            {
                "sender_id": s, "delivery_id": d, "state": state, "files": f, "rows_in": rows,
                "rows_accepted": ok if state == "accepted" else None,
                "rows_rejected": rows - ok if state == "accepted" else None,
                "content_sha256": f"{i:064x}"[::-1], "reason": reason or None,
            }
            for i, (s, d, state, f, rows, ok, reason) in enumerate(deliveries, 0xABCDEF)
        ],
        "quality.delivery_file": [
            {
                "sender_id": "zjch", "delivery_id": "2023-06-30", "source_file": "检验结果.csv",
                "sha256": "0" * 64, "bytes": 120000, "encoding": "GB18030", "format": "csv",
            }
        ],
        "quality.rejected_summary": [
            {
                "sender_id": "zjch", "delivery_id": "2023-06-30", "source_file": "检验结果_合成数据.csv",
                "source_sheet": None, "entity": "observations", "rule": r, "column_name": c,
                "counts_against_threshold": True, "rows": n,
            }
            for r, c, n in (
                ("not_a_number", "结果", 6), ("unknown_unit", "单位", 3), ("impossible_date", "采样日期", 2),
            )
        ],
        "quality.check_result": [
            {
                "scope": "marts", "suite": suite, "expectation": e, "layer": layer, "table_name": t,
                "column_name": c, "hospital_id": h, "severity": severity, "observed": o, "threshold": limit,
                "passed": ok, "waived": waived, "note": note,
            }
            for suite, e, layer, t, c, h, severity, o, limit, ok, waived, note in (
                (
                    "raw_structure", "columns are there", "raw", "patients", "patient_key", "zjch",
                    "blocking", "0", "0", True, False, "",
                ),
                (
                    "marts", "concept is known", "marts", "fct_observation", "concept_id", None, "blocking",
                    "0", "0", True, False, "",
                ),
                (
                    "marts", "share of patients with the concept", "marts", "fct_observation", "cmas",
                    "zjfah", "warning", "0.00", "at least 0.50", False, False,
                    "CMAS is a score for children.",
                ),
            )
        ],
    }


def _reproduction() -> list[dict[str, Any]]:
    rows = [
        {
            "table_id": "I", "variable": "cmas", "group_id": g, "group_a": None, "group_b": None,
            "printed": "31.33 ± 11.80", "computed": "31.33 ± 11.80", "agrees": True, "reason": None,
        }
        for g in list(GROUPS)[:3]
    ]
    rows += [
        {
            "table_id": "II", "variable": "female", "group_id": None, "group_a": "nxp2_jdm",
            "group_b": "nxp2_adult_dm", "printed": "0.307", "computed": "0.489", "agrees": False,
            "reason": "7 of 18 against 5 of 20 gives 0.489 by Fisher's exact test; no test gives 0.307.",
        }
    ]
    return rows
