"""Cumulative incidence of competing events by group (Aalen and Johansen 1978).

Belongs here: the estimate, its standard error and limits.
Does not belong here: the test between groups (gray.py), regression (fine_gray.py).

F_c(t) = sum over event times u up to t of S(u-) d_c(u)/n(u), S the Kaplan-Meier curve of any event. Its
variance is the one of Gray's cuminc: with p(u) = S(u-)^2 d/n^2 for the d events of a kind at u (times
1 - (d-1)/(n-1) among ties), the sum over u up to t of (1 + (F(u) - F(t))/S(u))^2 p(u) for events of the
cause and of ((F(u) - F(t))/S(u))^2 p(u) for others. Limits are on the scale of log(-log F).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.competing_risks.causes import Causes, read_causes, tabulate
from analytics.door import takes_any_frame
from analytics.status import NO_EVENTS, NOT_ESTIMABLE, OK
from analytics.survival.kaplan_meier import count_at_risk, emptied_early, emptied_note
from analytics.survival.outcome import FloatArray, confidence_quantile, group_codes

CURVE_COLUMNS = (
    "group_id",
    "cause",
    "time",
    "at_risk",
    "events",
    "incidence",
    "std_error",
    "ci_low",
    "ci_high",
)

AT_COLUMNS = ("group_id", "cause", "time", "at_risk", "incidence", "std_error", "ci_low", "ci_high")


@dataclass(frozen=True)
class CumulativeIncidence:
    """``curve``: a row per group, cause and observed time (CURVE_COLUMNS).

    ``summary``: a row per group and cause with n, events, status, note.
    """

    curve: pd.DataFrame
    summary: pd.DataFrame
    n: int
    n_events: int
    n_missing: int
    confidence: float
    status: str
    note: str
    groups: dict[object, Causes]

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """The curves at ``times``; NaN beyond the last time of a group, for nothing is known there."""
        wanted = np.asarray(times, dtype=float)
        parts = []
        for (group, cause), curve in self.curve.groupby(["group_id", "cause"], sort=False):
            observed = curve["time"].to_numpy()
            row = np.searchsorted(observed, wanted, side="right")
            known = wanted <= observed[-1]
            columns = {
                name: np.where(known, np.concatenate([[0.0], curve[name].to_numpy()])[row], np.nan)
                for name in ("incidence", "std_error", "ci_low", "ci_high")
            }
            at_risk = count_at_risk(self.groups[group].outcome, wanted).astype(int)
            parts.append(
                pd.DataFrame(
                    {"group_id": group, "cause": cause, "time": wanted, "at_risk": at_risk, **columns}
                )
            )
        if not parts:
            return pd.DataFrame(columns=list(AT_COLUMNS))
        return pd.concat(parts, ignore_index=True)


@takes_any_frame
def cumulative_incidence(
    data: pd.DataFrame,
    time: str,
    event: str,
    group: str | None = None,
    levels: Sequence[object] | None = None,
    censored: object = 0,
    causes: Sequence[object] | None = None,
    entry: str | None = None,
    confidence: float = 0.95,
) -> CumulativeIncidence:
    """Estimate the incidence of every cause in every group.

    ``event`` holds ``censored`` or the code of the cause. One minus a Kaplan-Meier curve that censors the
    other causes would overstate the incidence of each cause.
    """
    quantile = confidence_quantile(confidence)
    read = read_causes(data, time, event, censored, causes, entry, [group] if group else [])
    groups: dict[object, Causes] = {"all": read}
    if group is not None:
        codes, labels = group_codes(data.iloc[read.outcome.rows], group, levels)
        groups = {label: read.of(codes == code) for code, label in enumerate(labels)}
    curves, rows = [], []
    for label, part in groups.items():
        times, at_risk, events = tabulate(part)
        for position, cause in enumerate(part.labels):
            estimate, variance = aalen_johansen(at_risk, events, position)
            error = np.sqrt(np.maximum(variance, 0.0))
            low, high = _limits(estimate, error, quantile)
            curves.append(
                pd.DataFrame(
                    {
                        "group_id": label,
                        "cause": cause,
                        "time": times,
                        "at_risk": at_risk.astype(int),
                        "events": events[:, position].astype(int),
                        "incidence": estimate,
                        "std_error": error,
                        "ci_low": low,
                        "ci_high": high,
                    }
                )
            )
            rows.append(_summarise(label, cause, part, int(events[:, position].sum())))
    curve = (
        pd.concat([c for c in curves if len(c)], ignore_index=True)
        if any(map(len, curves))
        else pd.DataFrame(columns=list(CURVE_COLUMNS))
    )
    n = sum(part.outcome.n for part in groups.values())
    n_events = sum(part.outcome.n_events for part in groups.values())
    status = NOT_ESTIMABLE if n == 0 else NO_EVENTS if n_events == 0 else OK
    note = {NOT_ESTIMABLE: "No row is complete.", NO_EVENTS: f"None of the {n} rows has an event.", OK: ""}[
        status
    ]
    emptied = [emptied_note(g, found) for g, part in groups.items() if (found := emptied_early(part.outcome))]
    if emptied:
        status, note = NOT_ESTIMABLE, " ".join(emptied)
    return CumulativeIncidence(
        curve, pd.DataFrame(rows), n, n_events, read.outcome.n_missing, confidence, status, note, groups
    )


def aalen_johansen(at_risk: FloatArray, events: FloatArray, cause: int) -> tuple[FloatArray, FloatArray]:
    """The incidence of one cause and its variance at successive times; ``events`` is (T, causes)."""
    total = events.sum(axis=1)
    survival = np.cumprod((at_risk - total) / at_risk)
    before = np.concatenate([[1.0], survival[:-1]]) if len(survival) else survival
    own, others = events[:, cause], total - events[:, cause]
    incidence = np.cumsum(before * own / at_risk)
    inverse = np.divide(1.0, survival, out=np.zeros_like(survival), where=survival > 0)
    spread_own = before**2 * _tied(own, at_risk) / at_risk**2
    # once nobody is left free of events, another cause's events move nothing
    spread_other = np.where(survival > 0, before**2 * _tied(others, at_risk) / at_risk**2, 0.0)
    reach_own, reach_other = 1 + inverse * incidence, inverse * incidence
    v1 = np.cumsum(reach_own**2 * spread_own + reach_other**2 * spread_other)
    v2 = np.cumsum(inverse * (reach_own * spread_own + reach_other * spread_other))
    v3 = np.cumsum(inverse**2 * (spread_own + spread_other))
    variance = v1 + incidence**2 * v3 - 2 * incidence * v2
    # a step function: between events of the cause neither the estimate nor its variance changes
    last = np.maximum.accumulate(np.where(own > 0, np.arange(len(own)), -1))
    return incidence, np.where(last >= 0, variance[np.maximum(last, 0)], 0.0)


def _tied(events: FloatArray, at_risk: FloatArray) -> FloatArray:
    """Events, less the correction for ties that sampling without replacement asks for."""
    correction = np.divide(
        events - 1, at_risk - 1, out=np.zeros_like(events), where=(events > 1) & (at_risk > 1)
    )
    return events * (1 - correction)


def _limits(estimate: FloatArray, error: FloatArray, quantile: float) -> tuple[FloatArray, FloatArray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = (estimate > 0) & (estimate < 1)
        log_estimate = np.where(inside, np.log(estimate), np.nan)
        width = quantile * error / (estimate * log_estimate)
        return estimate ** np.exp(-width), estimate ** np.exp(width)


def _summarise(label: object, cause: object, part: Causes, events: int) -> dict[str, object]:
    status, note = OK, ""
    if part.outcome.n == 0:
        status, note = NOT_ESTIMABLE, f'Group "{label}" has no subject.'
    elif emptied := emptied_early(part.outcome):
        status, note = NOT_ESTIMABLE, emptied_note(label, emptied)
    elif events == 0:
        status, note = NO_EVENTS, f'Group "{label}" has no event of cause {cause}.'
    return {
        "group_id": label,
        "cause": cause,
        "n": part.outcome.n,
        "events": events,
        "status": status,
        "note": note,
    }
