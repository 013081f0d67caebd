"""Gray's test that a cause's cumulative incidence is the same in every group (Gray 1988).

Belongs here: the test, by cause, with strata and the weight (1 - F)^rho.
Does not belong here: the curves (incidence.py).

In group k at time t, n_k at risk, S_k the Kaplan-Meier curve of any event and F_k the incidence of the cause
(both just before t), R_k = n_k (1 - F_k)/S_k estimates those who would be at risk of the subdistribution.
The score of group k adds d_k - d R_k/sum R over the times of the cause's d events. Its covariance follows
Gray's appendix, in the form of cmprsk's crst: martingale increments of the cause and of the others are
weighted by what they change in the score now (a) and in the estimates from then on (c, accumulated).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from analytics.competing_risks.causes import Causes, read_causes
from analytics.door import takes_any_frame
from analytics.status import NO_EVENTS, NOT_ESTIMABLE, OK, TOO_FEW_GROUPS
from analytics.survival.outcome import FloatArray, IntArray, group_codes, stratum_codes


@dataclass(frozen=True)
class GrayTest:
    """``summary``: one row per cause with statistic, df, p_value, n, events, status, note."""

    summary: pd.DataFrame
    groups: list[object]
    method: str
    n: int
    n_missing: int
    status: str
    note: str


@takes_any_frame
def gray_test(
    data: pd.DataFrame,
    time: str,
    event: str,
    group: str,
    levels: Sequence[object] | None = None,
    censored: object = 0,
    causes: Sequence[object] | None = None,
    strata: str | Sequence[str] | None = None,
    rho: float = 0.0,
) -> GrayTest:
    """Compare the groups' incidence of each cause. Groups without a subject are left out, and named."""
    within = [] if strata is None else [strata] if isinstance(strata, str) else list(strata)
    read = read_causes(data, time, event, censored, causes, None, [group, *within])
    rows = data.iloc[read.outcome.rows]
    codes, labels = group_codes(rows, group, levels)
    stratum, _ = stratum_codes(rows, within or None)
    kept = codes >= 0
    read, codes, stratum = read.of(kept), codes[kept], stratum[kept]
    present = np.flatnonzero(np.bincount(codes, minlength=len(labels)))
    codes = np.searchsorted(present, codes)
    empty = [str(label) for i, label in enumerate(labels) if i not in present]
    note = f"Without a subject, left out: {', '.join(empty)}." if empty else ""
    table = [_row(read, cause, codes, stratum, len(present), rho, note) for cause in range(len(read.labels))]
    summary = pd.DataFrame(
        table, columns=["cause", "statistic", "df", "p_value", "n", "events", "status", "note"]
    )
    method = f"Gray (rho {rho:g})" if rho else "Gray"
    status, why = (OK, note) if len(table) and (summary["status"] == OK).any() else _first_fault(summary)
    return GrayTest(
        summary, [labels[i] for i in present], method, read.outcome.n, read.outcome.n_missing, status, why
    )


def _first_fault(summary: pd.DataFrame) -> tuple[str, str]:
    if not len(summary):
        return NO_EVENTS, "No row has an event."
    return summary.iloc[0]["status"], summary.iloc[0]["note"]


def _row(
    read: Causes, cause: int, codes: IntArray, stratum: IntArray, n_groups: int, rho: float, note: str
) -> dict[str, object]:
    events = int((read.cause == cause).sum())
    row: dict[str, object] = {
        "cause": read.labels[cause],
        "statistic": np.nan,
        "df": n_groups - 1,
        "p_value": np.nan,
        "n": read.outcome.n,
        "events": events,
    }
    if n_groups < 2:
        return row | {
            "df": 0,
            "status": TOO_FEW_GROUPS,
            "note": "A comparison needs two groups with subjects.",
        }
    if events == 0:
        return row | {"status": NO_EVENTS, "note": f"No row has an event of cause {read.labels[cause]}."}
    score, covariance = np.zeros(n_groups - 1), np.zeros((n_groups - 1, n_groups - 1))
    for code in np.unique(stratum):
        chosen = stratum == code
        part = _score(read.of(chosen), cause, codes[chosen], n_groups, rho)
        score, covariance = score + part[0], covariance + part[1]
    if np.linalg.matrix_rank(covariance, tol=1e-7 * np.abs(covariance).max(), hermitian=True) < n_groups - 1:
        return row | {"status": NOT_ESTIMABLE, "note": "The groups were not at risk together at an event."}
    statistic = float(score @ np.linalg.solve(covariance, score))
    return row | {
        "statistic": statistic,
        "p_value": float(chdtrc(n_groups - 1, statistic)),
        "status": OK,
        "note": note,
    }


def _score(
    read: Causes, cause: int, codes: IntArray, n_groups: int, rho: float
) -> tuple[FloatArray, FloatArray]:
    """Score and covariance of all groups but the last, in one stratum. Arrays are (times, groups)."""
    times, where = np.unique(read.outcome.time, return_inverse=True)
    own, other = (
        _by_time_and_group(where, codes, chosen, len(times), n_groups)
        for chosen in (read.cause == cause, (read.cause >= 0) & (read.cause != cause))
    )
    leaving = _by_time_and_group(where, codes, np.ones(len(codes), dtype=bool), len(times), n_groups)
    at_risk = np.cumsum(leaving[::-1], axis=0)[::-1]
    here = at_risk > 0
    n = np.where(here, at_risk, 1.0)
    after = np.cumprod(np.where(here, (n - own - other) / n, 1.0), axis=0)
    before = np.vstack([np.ones(n_groups), after[:-1]])
    incidence = np.cumsum(np.where(here, before * own / n, 0.0), axis=0)
    incidence = np.vstack([np.zeros(n_groups), incidence[:-1]])
    d = own.sum(axis=1)
    weight_at_risk = np.divide(at_risk, before, out=np.zeros_like(before), where=here)  # n_k/S_k
    total = weight_at_risk.sum(axis=1)
    subdistribution = weight_at_risk * (1 - incidence)  # R_k
    pooled = np.cumsum(d / total)
    pooled_before = np.concatenate([[0.0], pooled[:-1]])
    weight = (1 - pooled_before) ** rho
    share = subdistribution / subdistribution.sum(axis=1, keepdims=True)
    score = (weight[:, None] * (own - d[:, None] * share)).sum(axis=0)
    a = weight[:, None, None] * (
        weight_at_risk[:, :, None] * np.eye(n_groups)
        - weight_at_risk[:, :, None] * weight_at_risk[:, None, :] / total[:, None, None]
    )
    c = np.cumsum(a * (d / (total * (1 - pooled_before)))[:, None, None], axis=0)
    left = np.divide((1 - pooled)[:, None], after, out=np.zeros_like(after), where=after > 0)
    spread_own = np.where(
        here & (d > 0)[:, None],
        _tie_corrected(d[:, None], total[:, None] * before) * before / (total[:, None] * n),
        0.0,
    )
    spread_other = np.where(here & (after > 0), _tie_corrected(other, n) * before**2 / n**2, 0.0)
    covariance = _covariance(a, c, 1 - left, left, spread_own, spread_other)
    return score[:-1], covariance[:-1, :-1]


def _covariance(
    a: FloatArray,
    c: FloatArray,
    reach_own: FloatArray,
    reach_other: FloatArray,
    spread_own: FloatArray,
    spread_other: FloatArray,
) -> FloatArray:
    """Sum over times and groups k of the squared effects of k's increments, now and through the final c."""
    final = c[-1]
    now_own = a - reach_own[:, None, :] * c
    now_other = reach_other[:, None, :] * c
    direct = np.einsum("tik,tjk,tk->ij", now_own, now_own, spread_own) + np.einsum(
        "tik,tjk,tk->ij", now_other, now_other, spread_other
    )
    mixed = np.einsum("tik,tk->ik", now_own, reach_own * spread_own) - np.einsum(
        "tik,tk->ik", now_other, reach_other * spread_other
    )
    later = (reach_own**2 * spread_own + reach_other**2 * spread_other).sum(axis=0)
    cross = final @ mixed.T
    return direct + (final * later) @ final.T + cross + cross.T


def _tie_corrected(events: FloatArray, at_risk: FloatArray) -> FloatArray:
    correction = np.divide(
        events - 1,
        at_risk - 1,
        out=np.zeros(np.broadcast(events, at_risk).shape),
        where=(events > 1) & (at_risk != 1),
    )
    return events * (1 - correction)


def _by_time_and_group(
    where: IntArray, codes: IntArray, chosen: np.ndarray, n_times: int, n_groups: int
) -> FloatArray:
    flat = np.bincount(where[chosen] * n_groups + codes[chosen], minlength=n_times * n_groups)
    return flat.reshape(n_times, n_groups).astype(float)
