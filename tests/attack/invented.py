"""Invented studies with small groups, as release files that a report is made from.

Belongs here: drawing patients from a seed, counting them into the tables of results that reports read. Does
not belong here: any estimate; what a report prints of them (`printed.py`).
"""

# fmt: off

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy import stats

from tests.attack.printed import Key

STUDY = "invented"
HORIZON = 36.0
AT_RISK_MONTHS = (0, 6, 12, 18, 24, 30, 36)
SIGNS = ("rash", "dysphagia", "calcinosis", "ulcer", "heliotrope", "arthritis")
LEVELS = ("mild", "moderate", "severe")
Row = dict[str, Any]


@dataclass(frozen=True)
class Patient:
    """One invented patient. An unknown sign is None."""

    group: str
    signs: tuple[bool | None, ...]
    severity: str
    age: int
    time: float
    has_event: bool


def draw(rng: random.Random, groups: Sequence[str], n: int | None = None) -> list[Patient]:
    """``n`` patients, or a whole cohort of small groups."""
    if n is not None:
        return [_patient(rng, rng.choice(groups)) for _ in range(n)]
    return [_patient(rng, g) for g in groups for _ in range(rng.choice((6, 9, 12, 18, 20, 22, 27, 41)))]


def _patient(rng: random.Random, group: str) -> Patient:
    own = random.Random(f"{group}{rng.random() < 0.5}")
    signs = tuple(
        None if rng.random() < 0.08 else rng.random() < own.choice((0.1, 0.4, 0.6, 0.9)) for _ in SIGNS
    )
    event, left = rng.expovariate(own.choice((0.004, 0.03, 0.06))), rng.uniform(5, 60)
    time = round(min(event, left, HORIZON), 2)
    return Patient(group, signs, rng.choice(LEVELS), rng.randint(2, 17), time, event <= min(left, HORIZON))


def label(group: str) -> str:
    return f"Group {group.upper()}"


def truth(patients: Sequence[Patient]) -> dict[Key, int]:
    """Every count that a report could print, under the keys of `printed.py`."""
    found: dict[Key, int] = {}
    for group in dict.fromkeys(p.group for p in patients):
        mine = [p for p in patients if p.group == group]
        name = label(group)
        found["size", name] = len(mine)
        found["events", name] = sum(p.has_event for p in mine)
        found["flow", "Relapse", "Counted", name] = len(mine)
        for month in AT_RISK_MONTHS[1:]:
            by = f"{month:03}"
            found["events by", by, name] = sum(p.has_event and p.time <= month for p in mine)
            found["left by", by, name] = sum(not p.has_event and p.time < month for p in mine)
        for i, sign in enumerate(SIGNS):
            known = [p.signs[i] for p in mine if p.signs[i] is not None]
            found["known", sign.title(), name] = len(known)
            found["count", sign.title(), name] = sum(known)
        for level in LEVELS:
            found["known", f"Severity: {level}", name] = len(mine)
            found["count", f"Severity: {level}", name] = sum(p.severity == level for p in mine)
    return found


def write_release(path: Path, patients: Sequence[Patient], threshold: int = 5) -> Path:
    """The release file of a study of these patients."""
    groups = list(dict.fromkeys(p.group for p in patients))
    counts = truth(patients)
    names = {g: label(g) for g in groups}
    tables: dict[str, list[Row]] = {
        "release.release_info": [
            {
                "release_id": "r1", "registry_name": "Invented registry", "synthetic": True,
                "small_cell_threshold": threshold, "versions": json.dumps({"duckdb": "1.5.5"}),
            }
        ],
        "results.study": [{"title": "An invented study", "description": "Nobody in it exists.", "origin": None}],
        "results.study_group": [
            {"group_id": g, "label": names[g], "n": counts["size", names[g]], "position": i}
            for i, g in enumerate(groups)
        ],
        "results.study_variable": [
            {"variable": v, "label": v.title(), "unit": None, "source": source, "position": i}
            for i, (v, source) in enumerate([*((s, "event") for s in SIGNS), ("severity", "observation"),
                                             ("age", "observation")])
        ],
        "results.study_table": [{"table_id": "I", "title": "Groups", "position": 0}],
        "results.study_endpoint": [{"endpoint": "relapse", "label": "Relapse", "horizon_months": HORIZON}],
        "results.cohort_flow": _flow(groups, counts),
        "results.baseline_summary": _summaries(groups, patients, counts),
        "results.group_comparison": _comparisons(groups, counts),
        "results.model": [
            {
                "model_id": "cox", "kind": "cox", "title": "What predicts relapse", "response": None,
                "formula_text": "relapse ~ group", "method": "Cox, efron ties", "n": len(patients),
                "n_patients": len(patients), "n_events": sum(p.has_event for p in patients), "status": "ok",
                "note": "", "endpoint": "relapse",
            }
        ],
        **_survival(groups, patients),
        "results.finding": _findings(groups, counts),
    }
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        for schema in ("release", "results"):
            connection.execute(f"create schema {schema}")
        for name, rows in tables.items():
            frame = pd.DataFrame(rows)
            if name.startswith("results."):
                frame = frame.assign(study_id=STUDY, release_id="r1")
            connection.register("frame", frame)
            connection.execute(f"create table {name} as select * from frame")
            connection.unregister("frame")
    return path


def _flow(groups: Sequence[str], counts: dict[Key, int]) -> list[Row]:
    sizes = {g: counts["size", label(g)] for g in groups}
    rows: list[tuple[str, str, str | None, int, str]] = [
        ("cohort", "registered", None, sum(sizes.values()) + 3, "patients in the release"),
        ("cohort", "not in a group", None, 3, "in none of the groups"),
        *(("cohort", "in a group", g, n, label(g)) for g, n in sizes.items()),
    ]
    for g, n in sizes.items():
        events = counts["events", label(g)]
        rows += [
            ("relapse", "counted", g, n, "followed from baseline"),
            ("relapse", "with the event", g, events, "within the horizon"),
            ("relapse", "censored", g, n - events, "left or reached the end"),
        ]
    return [
        {"analysis": a, "step": s, "group_id": g, "n": n, "reason": r, "position": i}
        for i, (a, s, g, n, r) in enumerate(rows)
    ]


def _summaries(groups: Sequence[str], patients: Sequence[Patient], counts: dict[Key, int]) -> list[Row]:
    rows: list[Row] = []
    for position, name in enumerate([*SIGNS, *(f"severity:{level}" for level in LEVELS)]):
        shown = f"Severity: {name.partition(':')[2]}" if ":" in name else name.title()
        for g in groups:
            n, count = counts["known", shown, label(g)], counts["count", shown, label(g)]
            rows.append(
                _summary(name, g, position, n, counts["size", label(g)] - n)
                | {"count": count, "display": f"{count} ({100 * count / n:.2f})" if n else "–"}
            )
    for g in groups:
        ages = np.array([p.age for p in patients if p.group == g], dtype=float)
        mean, sd = float(ages.mean()), float(ages.std(ddof=1))
        rows.append(
            _summary("age", g, 99, len(ages), 0)
            | {"mean": mean, "sd": sd, "display": f"{mean:.2f} ± {sd:.2f}"}
        )
    return rows


def _summary(variable: str, group: str, position: int, n: int, missing: int) -> Row:
    empty = dict.fromkeys(("count", "mean", "sd", "median", "q1", "q3", "display"))
    return empty | {
        "table_id": "I", "variable": variable, "group_id": group, "n": n, "n_missing": missing,
        "status": "ok", "note": "", "position": position,
    }


def _comparisons(groups: Sequence[str], counts: dict[Key, int]) -> list[Row]:
    rows = []
    for position, sign in enumerate(SIGNS):
        for g in groups[1:]:
            table = [
                [counts["count", sign.title(), label(x)],
                 counts["known", sign.title(), label(x)] - counts["count", sign.title(), label(x)]]
                for x in (groups[0], g)
            ]
            answer = stats.fisher_exact(table)
            ratio = float(answer.statistic)
            rows.append(
                {
                    "table_id": "I",
                    "variable": sign,
                    "group_a": groups[0],
                    "group_b": g,
                    "test": "fisher",
                    "p_value": float(answer.pvalue),
                    "p_adjusted": float(answer.pvalue),
                    "effect": ratio if np.isfinite(ratio) else None,
                    "ci_low": None,
                    "ci_high": None,
                    "effect_kind": "odds_ratio",
                    "display": f"{answer.pvalue:.3f}",
                    "status": "ok",
                    "note": "",
                    "adjustment": "BH",
                    "method": "Fisher's exact test",
                    "position": position,
                }
            )
    return rows


def _survival(groups: Sequence[str], patients: Sequence[Patient]) -> dict[str, list[Row]]:
    curve, at_risk, median = [], [], []
    for g in groups:
        mine = [p for p in patients if p.group == g]
        left, free = len(mine), 1.0
        for time in sorted({p.time for p in mine}):
            events = sum(p.time == time and p.has_event for p in mine)
            gone = sum(p.time == time and not p.has_event for p in mine)
            free *= 1 - events / left
            curve.append(
                {
                    "endpoint": "relapse",
                    "group_id": g,
                    "time": time,
                    "at_risk": left,
                    "events": events,
                    "censored": gone,
                    "survival": free,
                    "ci_low": None,
                    "ci_high": None,
                    "status": "ok",
                    "note": "",
                    "method": "Kaplan-Meier",
                }
            )
            left -= events + gone
        at_risk += [
            {
                "endpoint": "relapse",
                "group_id": g,
                "time": float(t),
                "at_risk": sum(p.time >= t for p in mine),
            }
            for t in AT_RISK_MONTHS
        ]
        median.append(
            {
                "endpoint": "relapse",
                "group_id": g,
                "n": len(mine),
                "events": sum(p.has_event for p in mine),
                "median": None,
                "ci_low": None,
                "ci_high": None,
                "status": "ok",
                "note": "",
            }
        )
    return {
        "results.survival_curve": curve, "results.survival_at_risk": at_risk, "results.survival_median": median,
    }


def _findings(groups: Sequence[str], counts: dict[Key, int]) -> list[Row]:
    said = [
        f"{label(g)}: {counts['events', label(g)]} event{'s' * (counts['events', label(g)] != 1)} in"
        f" {counts['size', label(g)]} patients. A hazard ratio against this group rests on little."
        for g in groups
        if counts["events", label(g)] < 5
    ]
    rows = [{"position": i, "topic": "few events", "text": text} for i, text in enumerate(said)]
    return rows or [{"position": 0, "topic": "size", "text": "Read the intervals."}]
