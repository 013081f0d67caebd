"""The steps of times to an event: curves, log-rank tests, Cox models, and the analyses of `events.py`.

Does not belong here: competing and recurrent events, restricted means (`events.py`), the estimates themselves
(`analytics/survival/`, `analytics/cox/`).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analytics.declared_tests import ORDERED_TIMES, TIME_TO_EVENT, statistical_tests
from analytics.study.analyses import CoxModel, SurvivalAnalysis
from analytics.study.cohort import Cohort
from analytics.study.events import (
    competing_risks,
    entry_of,
    recurrent_events,
    restricted_means,
    times,
    with_reason,
    with_terms,
)
from analytics.study.step_parts import Results, stack
from analytics.study.strata import curves_by_stratum, note_in_words, who_is_in_a_stratum


def estimate_survival(cohort: Cohort) -> Results:
    """survival_curve, survival_at_risk, survival_median, log_rank, restricted_mean."""
    study = cohort.study
    out: dict[str, list[pd.DataFrame]] = {
        n: []
        for n in (
            "survival_curve",
            "survival_at_risk",
            "survival_median",
            "survival_by_stratum",
            "log_rank",
            "restricted_mean",
        )
    }
    for spec in study.survival:
        for name, frame in _survival(spec, cohort).items():
            out[name].append(frame.assign(endpoint=spec.endpoint))
    return {name: stack(parts) for name, parts in out.items()}


def fit_cox_models(cohort: Cohort) -> Results:
    """cox_term, and the rows of model for the Cox models."""
    study = cohort.study
    terms, models = [], []
    for spec in study.cox:
        term, model = _cox(spec, cohort)
        terms.append(term)
        models.append(model)
    return {"cox_term": stack(terms), "model": stack(models)}


def analyse_further_events(cohort: Cohort) -> Results:
    """cumulative_incidence, gray_test, and rows of cox_term and model."""
    parts = [competing_risks(spec, cohort) for spec in cohort.study.competing_risks]
    parts += [recurrent_events(spec, cohort) for spec in cohort.study.recurrent_events]
    names = dict.fromkeys(["cumulative_incidence", "gray_test", *(name for part in parts for name in part)])
    return {name: stack([part[name] for part in parts if name in part]) for name in names}


def _survival(spec: SurvivalAnalysis, cohort: Cohort) -> Results:
    from analytics.survival.kaplan_meier import kaplan_meier

    data = times(cohort, spec.endpoint, spec.groups)
    entry = entry_of(data)
    curves = kaplan_meier(
        data, "time", "event", "group_id", levels=spec.groups, entry=entry, times=spec.at_risk_months
    )
    tests = statistical_tests(TIME_TO_EVENT)[spec.weights](
        data,
        "time",
        "event",
        "group_id",
        levels=spec.groups,
        pairwise=spec.pairwise,
        method=spec.method,
        adjust=spec.adjust,
        strata=spec.strata or None,
        entry=entry,
    )
    log_rank = tests.summary.assign(adjustment=spec.adjust)
    return {
        "survival_curve": curves.curve,
        "survival_at_risk": _with_counts(curves.risk_table, curves.curve),
        "survival_median": curves.summary,
        "log_rank": stack([log_rank, _trend(data, spec.groups)]) if spec.trend else log_rank,
        **({"restricted_mean": restricted_means(spec, data)} if spec.restricted_mean_months else {}),
        "survival_by_stratum": curves_by_stratum(spec, data, cohort.hospital_names),
    }


def _trend(data: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """The row of log_rank for the trend over the groups in their order."""
    found = statistical_tests(ORDERED_TIMES)["log_rank_trend"](
        data, "time", "event", "group_id", levels=groups, entry=entry_of(data)
    )
    columns = ("statistic", "df", "p_value", "method", "n", "status", "note")
    return pd.DataFrame(
        [{"scope": "trend", **{c: getattr(found, c) for c in columns}, "events": found.n_events}]
    )


def _with_counts(risk_table: pd.DataFrame, curve: pd.DataFrame) -> pd.DataFrame:
    """The number at risk just before each time, with the events and censorings up to it."""
    so_far = [
        curve[(curve["group_id"] == row.group_id) & (curve["time"] <= row.time)][["events", "censored"]].sum()
        for row in risk_table.itertuples()
    ]
    return risk_table.assign(
        events=[int(c["events"]) for c in so_far], censored=[int(c["censored"]) for c in so_far]
    )


def _cox(spec: CoxModel, cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame]:
    from analytics.cox import cox
    from analytics.regression.firth import firth_cox

    data = with_terms(cohort, times(cohort, spec.endpoint, spec.groups), spec.terms)
    factors = {"group": spec.groups} if "group" in spec.terms else {}
    options: dict[str, Any] = {"strata": spec.strata or None, "entry": entry_of(data)} | (
        {"ties": spec.ties} if spec.method == "cox" else {}
    )
    fit = (cox if spec.method == "cox" else firth_cox)(
        data, "time", "event", spec.terms, factors=factors, **options
    )
    keys = {"model_id": spec.model_id, "endpoint": spec.endpoint}
    model = pd.DataFrame(
        [
            {
                **keys,
                "kind": "cox",
                "title": spec.title,
                "formula_text": f"{spec.endpoint} ~ {' + '.join(spec.terms)}",
                "method": fit.method,
                "n": fit.n,
                "n_patients": fit.n,
                "n_events": fit.n_events,
                "status": fit.status,
                "note": f"{note_in_words(fit.note, cohort.study)} "
                f"{_who_is_where(cohort, spec, data, fit.status)}".strip(),
            }
        ]
    )
    reference = fit.terms["variable"].map({name: levels[0] for name, levels in factors.items()})
    return with_reason(fit.terms, fit.note).assign(reference=reference, **keys), model


def _who_is_where(cohort: Cohort, spec: CoxModel, data: pd.DataFrame, status: str) -> str:
    return who_is_in_a_stratum(data, spec.strata, status, cohort.study, cohort.hospital_names)
