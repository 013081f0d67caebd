"""The parts of a study file about times to events, other than curves and Cox models, and the rows of
`results` that they become.

Belongs here: restricted means, competing risks, recurrent events, and the frames of times that they read.
Does not belong here: formulas (`survival/`, `competing_risks/`, `recurrent.py`), the other parts
(`results.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analytics.status import NOT_ESTIMABLE, OK
from analytics.study.analyses import CompetingRisks, RecurrentEvents, SurvivalAnalysis
from analytics.study.cohort import KEY, Cohort
from analytics.study.strata import note_in_words

if TYPE_CHECKING:
    from analytics.competing_risks import FineGray
    from analytics.cox import CoxFit
    from analytics.frailty.fit import FrailtyFit

DAYS_PER_MONTH = 365.25 / 12
CENSORED, EVENT, COMPETING = "censored", "event", "competing"


def times(cohort: Cohort, endpoint: str, groups: list[str]) -> pd.DataFrame:
    """One row per patient followed: ``time`` and ``entry`` in months, ``event``, ``cause``, columns to
    stratify by.
    """
    rows = cohort.time_to(endpoint)
    rows = rows[rows["group_id"].isin(groups) & is_followed(rows)]
    event = rows["is_event"].astype(bool)
    competing = (
        rows["is_competing"].astype(bool) if "is_competing" in rows else pd.Series(False, index=rows.index)
    )
    return pd.DataFrame(
        {
            "patient": rows["patient"],
            "group_id": rows["group_id"],
            "time": rows["time_months"].astype(float),
            "entry": _entry(rows),
            "event": event,
            "cause": np.where(event, EVENT, np.where(competing, COMPETING, CENSORED)),
            "hospital_id": rows["hospital_id"],
            "sex": rows["sex"],
            "onset_group": rows["onset_group"],
        }
    ).reset_index(drop=True)


def is_followed(rows: pd.DataFrame) -> pd.Series:
    """Rows of fct_time_to_event that count: with a time, which ends after the patient begins to count."""
    entry = _entry(rows)
    return rows["time_months"].notna() & ((rows["time_months"] > entry) | ~(entry > 0).any())


def entry_of(data: pd.DataFrame) -> str | None:
    """The column of late entries, if anybody enters late."""
    return "entry" if (data["entry"] > 0).any() else None


def _entry(rows: pd.DataFrame) -> pd.Series:
    found = rows["entry_months"] if "entry_months" in rows else pd.Series(0.0, index=rows.index)
    return found.astype(float).fillna(0.0)


def with_terms(cohort: Cohort, data: pd.DataFrame, terms: list[str]) -> pd.DataFrame:
    """``data`` with each variable's value at baseline beside it; `group` is the group's id."""
    for name in terms:
        if name != "group":
            data = data.merge(
                cohort.value(name, "baseline")[["patient", "value"]].rename(columns={"value": name}),
                on="patient",
            )
    return data.rename(columns={"group_id": "group"})


def strata_of(cohort: Cohort, endpoint: str) -> Sequence[str] | None:
    """The strata of the study's analysis of an endpoint, as a log-rank test takes them."""
    return next((list(s.strata) for s in cohort.study.survival if s.endpoint == endpoint and s.strata), None)


def restricted_means(spec: SurvivalAnalysis, data: pd.DataFrame) -> pd.DataFrame:
    """restricted_mean: a row per group, then per pair (first minus second)."""
    from analytics.survival.rmst import restricted_mean

    assert spec.restricted_mean_months is not None  # every caller has checked
    found = restricted_mean(
        data, "time", "event", spec.restricted_mean_months, "group_id", levels=spec.groups,
        entry=entry_of(data), adjust=spec.adjust,
    )  # fmt: skip
    means = found.summary.rename(columns={"group_id": "group_a", "rmst": "estimate"}).drop(columns="tau")
    n, events = (means.set_index("group_a")[c] for c in ("n", "events"))
    pairs = found.differences.rename(columns={"difference": "estimate"})
    for name, of in (("n", n), ("events", events)):
        pairs[name] = (pairs["group_a"].map(of) + pairs["group_b"].map(of)).astype(int)
    return pd.concat(
        [means.assign(scope="group"), pairs.assign(scope="pairwise", adjustment=spec.adjust)],
        ignore_index=True,
    ).assign(
        tau_months=found.tau,
        method="area under the Kaplan-Meier curve, Greenwood's variance, normal differences",
    )[
        [
            "scope",
            "group_a",
            "group_b",
            "tau_months",
            "estimate",
            "std_error",
            "ci_low",
            "ci_high",
            "statistic",
            "p_value",
            "p_adjusted",
            "adjustment",
            "method",
            "n",
            "events",
            "status",
            "note",
        ]
    ]


def competing_risks(spec: CompetingRisks, cohort: Cohort) -> dict[str, pd.DataFrame]:
    """cumulative_incidence and gray_test; with terms a Fine-Gray model as rows of cox_term and model."""
    from analytics.competing_risks import cumulative_incidence, gray_test

    data = times(cohort, spec.endpoint, spec.groups)
    causes = [c for c in (EVENT, COMPETING) if (data["cause"] == c).any()] or [EVENT]
    options: dict[str, Any] = {"levels": spec.groups, "causes": causes, "censored": CENSORED}
    keys = {"model_id": spec.model_id, "endpoint": spec.endpoint}
    entry = entry_of(data)
    incidence = cumulative_incidence(data, "time", "cause", "group_id", entry=entry, **options)
    of_group = incidence.summary.set_index(["group_id", "cause"])[["n", "status", "note"]]
    curve = incidence.curve.join(of_group, on=["group_id", "cause"])
    gray = gray_test(data, "time", "cause", "group_id", **options)
    found = {
        "cumulative_incidence": curve.assign(method="Aalen-Johansen", **keys),
        "gray_test": (gray.summary if entry is None else _no_gray(gray.summary)).assign(
            method=gray.method, **keys
        ),
    }
    return found | (_fine_gray(spec, cohort, data, keys) if spec.terms else {})


def _no_gray(summary: pd.DataFrame) -> pd.DataFrame:
    note = (
        "Gray's test cannot take late entry into account; compare the groups with the log-rank test, which "
        "can."
    )
    return summary.assign(statistic=np.nan, p_value=np.nan, status=NOT_ESTIMABLE, note=note)


def _fine_gray(
    spec: CompetingRisks, cohort: Cohort, data: pd.DataFrame, keys: dict[str, str]
) -> dict[str, pd.DataFrame]:
    from analytics.competing_risks import fine_gray

    factors = {"group": spec.groups} if "group" in spec.terms else {}
    rows = with_terms(cohort, data, spec.terms)
    causes = (EVENT, COMPETING)
    fit = fine_gray(rows, "time", "cause", EVENT, spec.terms, factors, censored=CENSORED, causes=causes)
    competing = int((data["cause"] == COMPETING).sum())
    note = fit.note if competing else f"{fit.note} Nobody had a competing event: this is Cox's model.".strip()
    note = note_in_words(note, cohort.study)
    return _as_model(fit, keys, "fine_gray", spec.title, spec.terms, factors, fit.n, note)


def recurrent_events(spec: RecurrentEvents, cohort: Cohort) -> dict[str, pd.DataFrame]:
    """Rows of cox_term and model: ratios of the rate of any event, or of the next one; of a frailty model its
    variance too.
    """
    from analytics.recurrent import andersen_gill, prentice_williams_peterson

    data = with_terms(cohort, event_intervals(cohort, spec.endpoint, spec.groups), spec.terms)
    factors = {"group": spec.groups} if "group" in spec.terms else {}
    if spec.method == "gamma_frailty":
        return _gamma_frailty(spec, data, factors)
    arguments = (data, "start", "stop", "event", "patient", spec.terms, factors)
    if spec.method == "andersen_gill":
        fit = andersen_gill(*arguments)
    else:
        clock = spec.method.removeprefix("pwp_")
        fit = prentice_williams_peterson(*arguments, clock=clock, max_events=spec.max_events)
    keys = {"model_id": spec.model_id, "endpoint": spec.endpoint}
    return _as_model(
        fit,
        keys,
        "recurrent",
        spec.title,
        spec.terms,
        factors,
        data["patient"].nunique(),
        note_in_words(fit.note, cohort.study),
    )


def _gamma_frailty(
    spec: RecurrentEvents, data: pd.DataFrame, factors: Mapping[str, Sequence[str]]
) -> dict[str, pd.DataFrame]:
    """Ratios within a patient, and the variance of the patients' own risks as a row of
    mixed_model_parameter.
    """
    from analytics.frailty import gamma_frailty

    fit = gamma_frailty(data, "stop", "event", "patient", spec.terms, factors, entry="start")
    keys = {"model_id": spec.model_id, "endpoint": spec.endpoint}
    variance = {
        "model_id": spec.model_id,
        "response": spec.endpoint,
        "kind": "variance",
        "parameter": "frailty",
        "estimate": fit.frailty_variance,
        "p_value": fit.variance_test.get("p_value", np.nan),
        "method": fit.method,
        "n": fit.n,
        "status": fit.status,
        "note": fit.note,
    }
    said = ""
    if fit.variance_test:
        said = (
            f"Variance of the frailty {fit.frailty_variance:.3f}; against none chi-square"
            f" {fit.variance_test['statistic']:.2f}, p {fit.variance_test['p_value']:.3f}"
        )
    note = "; ".join(filter(None, (fit.note, said)))
    found = _as_model(fit, keys, "frailty", spec.title, spec.terms, factors, fit.n_patients, note)
    found["cox_term"] = found["cox_term"].assign(note=fit.note)
    return found | {"mixed_model_parameter": pd.DataFrame([variance])}


def _as_model(
    fit: CoxFit | FineGray | FrailtyFit,
    keys: dict[str, str],
    kind: str,
    title: str,
    terms: list[str],
    factors: Mapping[str, Sequence[str]],
    n_patients: int,
    note: str,
) -> dict[str, pd.DataFrame]:
    model = pd.DataFrame(
        [
            {
                **keys,
                "kind": kind,
                "title": title,
                "formula_text": f"{keys['endpoint']} ~ {' + '.join(terms)}",
                "method": fit.method,
                "n": fit.n,
                "n_patients": n_patients,
                "n_events": fit.n_events,
                "status": fit.status,
                "note": note,
            }
        ]
    )
    reference = fit.terms["variable"].map({name: levels[0] for name, levels in factors.items()})
    terms = with_reason(fit.terms, fit.note).assign(reference=reference, **keys)
    return {"cox_term": terms, "model": model}


def with_reason(terms: pd.DataFrame, note: str) -> pd.DataFrame:
    """The terms of a fit; one without a number and without a note of its own gets the fit's."""
    own = terms["note"] if "note" in terms else pd.Series(None, index=terms.index, dtype=object)
    is_silent = terms["hazard_ratio"].isna() & (terms["status"] != OK) & (own.fillna("") == "")
    return terms.assign(note=own.astype(object).mask(is_silent, note)) if is_silent.any() else terms


def event_intervals(cohort: Cohort, endpoint: str, groups: list[str]) -> pd.DataFrame:
    """One row per patient and interval (``start``, ``stop``] in months, ``event`` 1 where it ends in an
    event.

    Everybody is at risk from the endpoint's origin, or from late entry, to the last contact, a competing
    event or the horizon, whichever is first. Several events on one day count as one. The last contact is the
    latest of follow-up, visits and the time to the endpoint.
    """
    spec = cohort.study.endpoints[endpoint]
    members = cohort.of(groups)
    members = members.assign(**_beginnings(cohort, members, endpoint))
    stop = members["patient"].map(_last_seen(cohort, members, endpoint)).clip(upper=spec.horizon_months)
    occurred = cohort.frames["fct_event"]
    occurred = occurred[occurred["status"].eq("present") & occurred["time_days"].notna()]
    occurred = occurred.merge(members[[*KEY, "patient", "origin", "entry"]], on=KEY)
    occurred = occurred.assign(month=(occurred["time_days"] - occurred["origin"]) / DAYS_PER_MONTH)
    occurred = occurred[occurred["month"] > occurred["entry"]]
    ended = occurred[occurred["event_id"].isin(spec.competing)].groupby("patient")["month"].min()
    stop = np.fmin(stop, members["patient"].map(ended).astype(float))
    events = (
        occurred[occurred["event_id"].isin(spec.events)]
        .groupby("patient")["month"]
        .agg(lambda m: sorted(set(m)))
    )
    rows = []
    for patient, group, begin, end in zip(members["patient"], members["group_id"], members["entry"], stop):
        if not end > begin:
            continue
        at = [m for m in events.get(patient, []) if m <= end]
        ends = [*at, *([end] if not at or at[-1] < end else [])]
        starts = [begin, *ends[:-1]]
        rows += [(patient, group, a, b, int(b in at)) for a, b in zip(starts, ends)]
    return pd.DataFrame(rows, columns=["patient", "group_id", "start", "stop", "event"])


def _beginnings(cohort: Cohort, members: pd.DataFrame, endpoint: str) -> dict[str, pd.Series]:
    """``origin``, the day on which each member's time begins, and ``entry``, the months until the member
    counts.
    """
    if cohort.study.endpoints[endpoint].origin == "baseline":
        return {
            "origin": members["baseline_days"].astype(float),
            "entry": pd.Series(0.0, index=members.index),
        }
    rows = cohort.time_to(endpoint).set_index("patient")
    of_member = {"origin": rows["origin_days"].astype(float), "entry": _entry(rows)}
    return {name: members["patient"].map(values).astype(float) for name, values in of_member.items()}


def _last_seen(cohort: Cohort, members: pd.DataFrame, endpoint: str) -> pd.Series:
    """Months from baseline to the last contact, by patient."""
    seen = [cohort.time_to(endpoint).set_index("patient")["time_months"].astype(float)]
    for table, column in (("fct_follow_up", "last_seen_days"), ("fct_visit", "time_days")):
        if table in cohort.frames:
            rows = members.merge(cohort.frames[table][[*KEY, column]], on=KEY)
            seen.append(((rows[column] - rows["origin"]) / DAYS_PER_MONTH).groupby(rows["patient"]).max())
    return pd.concat(seen, axis=1).max(axis=1)
