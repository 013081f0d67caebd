"""Restricted mean survival time: the area under a survival curve up to a horizon, and its differences.

Belongs here: the estimate, its standard error, and differences between groups.
Does not belong here: curves (kaplan_meier.py).

RMST(tau) is the integral of S from 0 to tau. Its variance is Greenwood's,
sum over events up to tau of (integral of S from that event to tau)^2 d/(n(n-d))
(survival::survfit(rmean = tau)); an event that takes everyone at risk adds nothing, for S is 0 after it.
Differences are compared with a normal distribution, groups being independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import ndtr

from analytics.door import takes_any_frame
from analytics.multiplicity import adjust_p_values
from analytics.status import NO_EVENTS, NO_VARIANCE, NOT_ESTIMABLE, OK, require_choice
from analytics.survival.kaplan_meier import (
    count_at_risk,
    emptied_early,
    emptied_note,
    product_limit,
    split_by_group,
)
from analytics.survival.outcome import Outcome, confidence_quantile, read_outcome

PAIRS = ("all", "first")


@dataclass(frozen=True)
class RestrictedMean:
    """``summary``: one row per group with rmst, std_error, limits, n, events, status, note.

    ``differences``: one row per pair with difference (a minus b), std_error, limits, p_value, p_adjusted.
    """

    summary: pd.DataFrame
    differences: pd.DataFrame
    tau: float
    n: int
    n_missing: int
    status: str
    note: str


@takes_any_frame
def restricted_mean(
    data: pd.DataFrame,
    time: str,
    event: str,
    tau: float,
    group: str | None = None,
    levels: Sequence[object] | None = None,
    entry: str | None = None,
    pairs: str = "all",
    adjust: str = "holm",
    confidence: float = 0.95,
) -> RestrictedMean:
    """Estimate the mean time without the event up to ``tau`` by group.

    ``pairs`` "all" compares every pair, "first" every group (a) with the first of ``levels`` (b). Where
    follow-up of a group ends before ``tau`` with someone still free of the event, the curve is carried on at
    its last value, and the row's note says so: choose a ``tau`` within follow-up. A group without an event up
    to ``tau`` has a mean and no standard error, and so has a difference from it.
    """
    require_choice(pairs, PAIRS, "pairs")
    if not (np.isfinite(tau) and tau > 0):
        raise ValueError(f"tau: expected a time above 0; found {tau}")
    quantile = confidence_quantile(confidence)
    outcome = read_outcome(data, time, event, entry, [group] if group else [])
    groups = split_by_group(data, outcome, group, levels)
    summary = pd.DataFrame([_row(label, part, float(tau), quantile) for label, part in groups.items()])
    differences = _differences(summary, pairs, adjust, quantile)
    estimable = summary["rmst"].notna().any()
    return RestrictedMean(
        summary,
        differences,
        float(tau),
        int(summary["n"].sum()),
        outcome.n_missing,
        OK if estimable else NOT_ESTIMABLE,
        "" if estimable else "No group has a subject.",
    )


def _row(label: object, outcome: Outcome, tau: float, quantile: float) -> dict[str, object]:
    row: dict[str, object] = {
        "group_id": label,
        "tau": tau,
        "n": outcome.n,
        "events": outcome.n_events,
        "rmst": np.nan,
        "std_error": np.nan,
        "ci_low": np.nan,
        "ci_high": np.nan,
        "status": OK,
        "note": "",
    }
    if outcome.n == 0:
        return row | {"status": NOT_ESTIMABLE, "note": f'Group "{label}" has no subject.'}
    if emptied := emptied_early(outcome):
        return row | {"status": NOT_ESTIMABLE, "note": emptied_note(label, emptied)}
    mean, error = area_under_curve(outcome, tau)
    last = outcome.time.max()
    note = ""
    if last < tau and not outcome.event[outcome.time == last].all():
        note = (
            f'Follow-up of group "{label}" ends at {last:g}, before {tau:g}; its curve is carried on at '
            "its last value."
        )
    if not error > 0:
        within = (outcome.event & (outcome.time <= tau)).any()
        why = (
            f'Everybody at risk in group "{label}" had the event at one time: the mean has no standard error.'
            if within
            else f'Group "{label}" has no event up to {tau:g}: its mean is the time that it was followed '
            "for, and nothing tells how far that is from the truth."
        )
        return row | {
            "rmst": mean,
            "status": NO_VARIANCE if within else NO_EVENTS,
            "note": f"{why} {note}".strip(),
        }
    return row | {
        "rmst": mean,
        "std_error": error,
        "ci_low": mean - quantile * error,
        "ci_high": mean + quantile * error,
        "note": note,
    }


def area_under_curve(outcome: Outcome, tau: float) -> tuple[float, float]:
    """The area under the Kaplan-Meier curve from 0 to ``tau`` and its standard error."""
    times, counts = np.unique(outcome.time[outcome.event & (outcome.time <= tau)], return_counts=True)
    events = counts.astype(float)
    at_risk = count_at_risk(outcome, times)
    survival, _ = product_limit(at_risk, events)
    width = np.diff(np.concatenate([[0.0], times, [tau]]))
    areas = width * np.concatenate([[1.0], survival])
    beyond = np.cumsum(areas[::-1])[::-1][1:]  # from each event to tau
    left = at_risk - events
    spread = np.divide(events, at_risk * left, out=np.zeros_like(events), where=left > 0)
    return float(areas.sum()), float(np.sqrt(np.sum(beyond**2 * spread)))


def _differences(summary: pd.DataFrame, pairs: str, adjust: str, quantile: float) -> pd.DataFrame:
    rows = [row for _, row in summary.iterrows()]
    chosen = combinations(rows, 2) if pairs == "all" else ((row, rows[0]) for row in rows[1:])
    table = pd.DataFrame(
        [_difference(a, b, quantile) for a, b in chosen],
        columns=[
            "group_a",
            "group_b",
            "difference",
            "std_error",
            "ci_low",
            "ci_high",
            "statistic",
            "p_value",
            "status",
            "note",
        ],
    )
    p_values = table["p_value"].to_numpy(dtype=float)
    table.insert(8, "p_adjusted", adjust_p_values(p_values, adjust))
    return table


def _difference(a: pd.Series, b: pd.Series, quantile: float) -> dict[str, object]:
    difference = a["rmst"] - b["rmst"]
    error = float(np.hypot(a["std_error"], b["std_error"]))
    ok = bool(error > 0)
    statistic = difference / error if ok else np.nan
    without = [str(row["group_id"]) for row in (a, b) if not row["std_error"] > 0]
    note = "" if ok else f"No standard error of {' and '.join(without)}, hence none of the difference."
    return {
        "group_a": a["group_id"],
        "group_b": b["group_id"],
        "difference": difference,
        "std_error": error,
        "ci_low": difference - quantile * error,
        "ci_high": difference + quantile * error,
        "statistic": statistic,
        "p_value": 2 * float(ndtr(-abs(statistic))),
        "status": OK if ok else NOT_ESTIMABLE,
        "note": note,
    }
