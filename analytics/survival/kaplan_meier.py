"""Kaplan-Meier curves by group, with what a figure and its risk table print.

Belongs here: the estimator, its confidence limits, quantiles and numbers at risk.
Does not belong here: tests between groups (log_rank.py), restricted means (rmst.py), drawing.

S(t) is the product of 1 - d/n over event times up to t (Kaplan and Meier 1958); its variance is Greenwood's,
S(t)^2 sum d/(n(n-d)). The cumulative hazard is Nelson and Aalen's, sum d/n, with variance sum d/n^2. Limits
are on the scale of log(-log S) unless asked otherwise; they do not exist where S is 0, and on that scale
neither where S is 1. Numbers agree with survival::survfit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.door import takes_any_frame
from analytics.status import NO_EVENTS, NOT_ESTIMABLE, OK, require_choice
from analytics.survival.outcome import (
    BoolArray,
    FloatArray,
    Outcome,
    confidence_quantile,
    group_codes,
    read_outcome,
)

CI_METHODS = ("log-log", "log", "plain")
CURVE_COLUMNS = (
    "time",
    "at_risk",
    "events",
    "censored",
    "survival",
    "std_error",
    "ci_low",
    "ci_high",
    "cumulative_hazard",
    "cumulative_hazard_std_error",
)
SUMMARY_COLUMNS = ("group_id", "n", "events", "median", "ci_low", "ci_high", "status", "note")
RISK_TABLE_COLUMNS = ("time", "at_risk", "survival", "ci_low", "ci_high", "group_id")
QUANTILE_COLUMNS = ("probability", "time", "ci_low", "ci_high", "group_id")
SAME_PROBABILITY = float(np.sqrt(np.finfo(float).eps))


@dataclass(frozen=True)
class KaplanMeier:
    """Curves by group.

    ``curve``: one row per group and time at which someone had an event or was censored, with CURVE_COLUMNS
    and ``group_id``. ``summary``: one row per group with n, events, median and its limits, status, note.
    ``risk_table``: one row per group and requested time (empty when none was asked).
    """

    curve: pd.DataFrame
    summary: pd.DataFrame
    risk_table: pd.DataFrame
    n: int
    n_events: int
    n_missing: int
    confidence: float
    ci_method: str
    status: str
    note: str
    outcomes: dict[object, Outcome]

    def at_risk(self, times: Sequence[float]) -> pd.DataFrame:
        """One row per group and time: ``at_risk`` just before it, ``survival`` and its limits at it."""
        parts = [
            _at_times(self.curve[self.curve["group_id"] == group], outcome, times).assign(group_id=group)
            for group, outcome in self.outcomes.items()
        ]
        return _stacked(parts, RISK_TABLE_COLUMNS)

    def quantiles(self, probabilities: Sequence[float] = (0.25, 0.5, 0.75)) -> pd.DataFrame:
        """One row per group and probability: the first time at which that share has had the event.

        Limits are those of the curve read across (Brookmeyer and Crowley 1982); NaN is "not reached".
        """
        parts = [
            _quantiles(self.curve[self.curve["group_id"] == group], probabilities).assign(group_id=group)
            for group in self.outcomes
        ]
        return _stacked(parts, QUANTILE_COLUMNS)

    @property
    def median(self) -> pd.DataFrame:
        """One row per group: ``median``, ``ci_low``, ``ci_high``."""
        return self.summary[["group_id", "median", "ci_low", "ci_high"]]


@takes_any_frame
def kaplan_meier(
    data: pd.DataFrame,
    time: str,
    event: str,
    group: str | None = None,
    levels: Sequence[object] | None = None,
    entry: str | None = None,
    times: Sequence[float] | None = None,
    ci: str = "log-log",
    confidence: float = 0.95,
) -> KaplanMeier:
    """Estimate one curve per level of ``group`` (or one, with ``group_id`` "all").

    ``data`` has one row per subject, or per interval (``entry``, ``time``]; times in any one unit.
    ``levels`` gives the groups and their order; rows of others take no part. A group without subjects or
    without events keeps its row in ``summary``, with a status that says so.
    """
    require_choice(ci, CI_METHODS, "ci")
    quantile = confidence_quantile(confidence)
    outcome = read_outcome(data, time, event, entry, [group] if group else [])
    outcomes = split_by_group(data, outcome, group, levels)
    curves = {label: _curve(part, quantile, ci) for label, part in outcomes.items()}
    curve = _stacked([c.assign(group_id=label) for label, c in curves.items()], (*CURVE_COLUMNS, "group_id"))
    rows = [_summarise(label, part, curves[label]) for label, part in outcomes.items()]
    summary = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    n, n_events = int(summary["n"].sum()), int(summary["events"].sum())
    status = NOT_ESTIMABLE if n == 0 else NO_EVENTS if n_events == 0 else OK
    notes = {
        NOT_ESTIMABLE: "No subject has a time, an event and a group.",
        NO_EVENTS: f"None of the {n} rows has an event; every curve stays at 1.",
        OK: "",
    }
    emptied = [
        emptied_note(label, found) for label, part in outcomes.items() if (found := emptied_early(part))
    ]
    if emptied:
        status, notes[NOT_ESTIMABLE] = NOT_ESTIMABLE, " ".join(emptied)
    result = KaplanMeier(
        curve,
        summary,
        pd.DataFrame(),
        n,
        n_events,
        outcome.n_missing,
        confidence,
        ci,
        status,
        notes[status],
        outcomes,
    )
    if times is None:
        return result
    return KaplanMeier(**{**vars(result), "risk_table": result.at_risk(times)})


def _stacked(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(columns))


def split_by_group(
    data: pd.DataFrame, outcome: Outcome, group: str | None, levels: Sequence[object] | None
) -> dict[object, Outcome]:
    """The outcome of each group, in the order of ``levels``; one group "all" without a group column."""
    if group is None:
        return {"all": outcome}
    codes, labels = group_codes(data[[group]].iloc[outcome.rows], group, levels)
    return {label: _part(outcome, codes == code) for code, label in enumerate(labels)}


def _part(outcome: Outcome, chosen: BoolArray) -> Outcome:
    entry = None if outcome.entry is None else outcome.entry[chosen]
    return Outcome(outcome.time[chosen], outcome.event[chosen], entry, outcome.rows[chosen], 0)


def count_at_risk(outcome: Outcome, times: FloatArray) -> FloatArray:
    """How many are at risk just before each time: entry < t <= time.

    By that rule nobody is at risk up to the first entry. A risk table means those who are about to enter, so
    they count.
    """
    leaving = outcome.n - np.searchsorted(np.sort(outcome.time), times, side="left")
    if outcome.entry is None:
        return leaving.astype(float)
    entries = np.sort(outcome.entry)
    waiting = outcome.n - np.searchsorted(entries, times, side="left")
    at_origin = outcome.n - np.searchsorted(entries, times, side="right")
    first = entries[0] if len(entries) else 0.0
    return (leaving - np.where(times <= first, at_origin, waiting)).astype(float)


def emptied_early(outcome: Outcome) -> tuple[float, int] | None:
    """The first event time at which everybody at risk had the event while others enter later, and how many
    they were.

    From there on a survival curve is 0 and an incidence is 1, whatever happens to those who enter later.
    """
    if outcome.entry is None or not outcome.n_events:
        return None
    times, events = np.unique(outcome.time[outcome.event], return_counts=True)
    at_risk = count_at_risk(outcome, times)
    last_entry = outcome.entry.max()
    for time, d, n in zip(times, events, at_risk, strict=True):
        if d >= n and last_entry >= time:
            return float(time), int(n)
    return None


def emptied_note(label: object, emptied: tuple[float, int]) -> str:
    time, n = emptied
    return (
        f'Group "{label}": at {time:g} all {n} at risk had the event, before others entered. From then on '
        "the curve says nothing of those; start it where enough are at risk (keep rows with a later time, "
        "and set entry to that start)."
    ).replace("all 1 at risk", "the only one at risk")


def _curve(outcome: Outcome, quantile: float, ci: str) -> pd.DataFrame:
    times, where = np.unique(outcome.time, return_inverse=True)
    events = np.bincount(where[outcome.event], minlength=len(times)).astype(float)
    leaving = np.bincount(where, minlength=len(times))
    at_risk = count_at_risk(outcome, times)
    survival, relative_error = product_limit(at_risk, events)
    low, high = confidence_limits(survival, relative_error, quantile, ci)
    columns = {
        "time": times,
        "at_risk": at_risk.astype(int),
        "events": events.astype(int),
        "censored": (leaving - events).astype(int),
        "survival": survival,
        "std_error": survival * relative_error,
        "ci_low": low,
        "ci_high": high,
        "cumulative_hazard": np.cumsum(events / at_risk),
        "cumulative_hazard_std_error": np.sqrt(np.cumsum(events / at_risk**2)),
    }
    return pd.DataFrame(columns, columns=list(CURVE_COLUMNS))


def product_limit(at_risk: FloatArray, events: FloatArray) -> tuple[FloatArray, FloatArray]:
    """S and its relative standard error at successive times; the error is NaN from where S is 0."""
    survival = np.cumprod((at_risk - events) / at_risk)
    left = at_risk - events
    terms = np.divide(events, at_risk * left, out=np.full(len(events), np.nan), where=left > 0)
    return survival, np.sqrt(np.cumsum(terms))


def confidence_limits(
    survival: FloatArray, relative_error: FloatArray, quantile: float, ci: str
) -> tuple[FloatArray, FloatArray]:
    """Pointwise limits of S (survival::survfit's conf.type); NaN where the scale has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if ci == "plain":
            width: FloatArray = quantile * survival * relative_error
            return np.maximum(survival - width, 0.0), np.minimum(survival + width, 1.0)
        log_survival: FloatArray = np.where(survival > 0, np.log(survival), np.nan)
        if ci == "log":
            width = quantile * relative_error
            return np.exp(log_survival - width), np.minimum(np.exp(log_survival + width), 1.0)
        log_survival = np.where(survival < 1, log_survival, np.nan)
        width = quantile * relative_error / log_survival
        hazard = np.log(-log_survival)
        return np.exp(-np.exp(hazard - width)), np.exp(-np.exp(hazard + width))


def _at_times(curve: pd.DataFrame, outcome: Outcome, times: Sequence[float]) -> pd.DataFrame:
    wanted = np.asarray(times, dtype=float)
    if not np.isfinite(wanted).all():
        raise ValueError(f"times: expected finite numbers; found {list(times)}")
    last = np.searchsorted(curve["time"].to_numpy(), wanted, side="right")
    columns: dict[str, FloatArray] = {"time": wanted, "at_risk": count_at_risk(outcome, wanted)}
    for name, before in (("survival", 1.0), ("ci_low", 1.0), ("ci_high", 1.0)):
        columns[name] = np.concatenate([[before], curve[name].to_numpy()])[last]
    return pd.DataFrame(columns).astype({"at_risk": int})


def _quantiles(curve: pd.DataFrame, probabilities: Sequence[float]) -> pd.DataFrame:
    shares = np.asarray(probabilities, dtype=float)
    if ((shares < 0) | (shares > 1)).any():
        raise ValueError(f"probabilities: expected numbers from 0 to 1; found {list(probabilities)}")
    time = curve["time"].to_numpy()
    read = {
        name: first_time_at_or_below(time, curve[column].to_numpy(), 1 - shares)
        for name, column in (("time", "survival"), ("ci_low", "ci_low"), ("ci_high", "ci_high"))
    }
    return pd.DataFrame({"probability": shares, **read})


def first_time_at_or_below(time: FloatArray, curve: FloatArray, heights: FloatArray) -> FloatArray:
    """Where a falling step curve first reaches each height; NaN when it never does.

    A curve that runs level exactly at the height is crossed in the middle of that stretch: from its start
    to the next drop, or to the last time when none follows. NaN in ``curve`` (no limit exists there) is
    skipped. An upper limit can rise again late in a small group; then the highest step at or below the
    height is read, not the first. Both rules are those of survival's quantile.survfit.
    """
    answer = np.full(len(heights), np.nan)
    known = ~np.isnan(curve)
    steps, first = np.unique(curve[known], return_index=True)  # each height once, at its first time
    at = time[known][first]
    for i, height in enumerate(heights):
        if height >= 1 - SAME_PROBABILITY:
            answer[i] = 0.0
            continue
        here = np.searchsorted(steps, height + SAME_PROBABILITY, side="right") - 1
        if here < 0:
            continue
        if steps[here] < height - SAME_PROBABILITY:
            answer[i] = at[here]
            continue
        below = np.searchsorted(steps, height - SAME_PROBABILITY) - 1
        answer[i] = (at[here] + (at[below] if below >= 0 else time[-1])) / 2
    return answer


def _summarise(label: object, outcome: Outcome, curve: pd.DataFrame) -> dict[str, object]:
    median = (
        _quantiles(curve, [0.5]).iloc[0]
        if outcome.n
        else dict.fromkeys(("time", "ci_low", "ci_high"), np.nan)
    )
    status, note = OK, ""
    if outcome.n == 0:
        status, note = NOT_ESTIMABLE, f'Group "{label}" has no subject.'
    elif outcome.n_events == 0:
        status, note = NO_EVENTS, f'Group "{label}" has no event; its median is not reached.'
    elif emptied := emptied_early(outcome):
        status, note = NOT_ESTIMABLE, emptied_note(label, emptied)
        median = dict.fromkeys(("time", "ci_low", "ci_high"), np.nan)
    elif np.isnan(median["time"]):
        note = f'In group "{label}" fewer than half had the event: the median is not reached.'
    return {
        "group_id": label,
        "n": outcome.n,
        "events": outcome.n_events,
        "median": median["time"],
        "ci_low": median["ci_low"],
        "ci_high": median["ci_high"],
        "status": status,
        "note": note,
    }
