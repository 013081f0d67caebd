"""Log-rank tests: overall, between pairs, within strata, for trend, weighted, and by exact permutation.

Belongs here: comparing observed with expected events between groups.
Does not belong here: curves (kaplan_meier.py), the permutation distribution itself (permutation.py),
adjustment for multiplicity (analytics.multiplicity).

At each event time, d of n at risk have an event and n_g of the n are in group g. Given these, the events of
g are hypergeometric with mean d n_g/n and covariance d (n-d)/(n-1) (n_g/n)(1[g=h] - n_h/n). Summed over
times and strata, with weight w(t) on the difference and w(t)^2 on the covariance, (O-E)' V^- (O-E) is
chi-square with one degree of freedom less than there are groups that were ever expected to have an event
(Mantel 1966, Peto 1972; survival::survdiff).

| weights            | w(t)                            | gives most weight to      |
|--------------------|---------------------------------|---------------------------|
| log_rank           | 1                               | all events alike          |
| gehan_breslow      | n                               | early events              |
| tarone_ware        | sqrt(n)                         | early events, less so     |
| peto_peto          | prod (1 - d/(n+1)) up to t      | early events              |
| fleming_harrington | S(t-)^rho (1 - S(t-))^gamma     | as rho and gamma say      |

survdiff(rho = 1) is fleming_harrington with rho 1 and gamma 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from analytics.door import takes_any_frame
from analytics.multiplicity import adjust_p_values
from analytics.status import NO_EVENTS, NOT_ESTIMABLE, OK, TOO_FEW_GROUPS, require_choice
from analytics.survival.outcome import (
    BoolArray,
    FloatArray,
    IntArray,
    Outcome,
    group_codes,
    read_outcome,
    stratum_codes,
)
from analytics.survival.permutation import permutation_log_rank
from analytics.survival.risk_sets import RiskSets, risk_sets

WEIGHTS = ("log_rank", "gehan_breslow", "tarone_ware", "peto_peto", "fleming_harrington")
METHODS = ("asymptotic", "exact")
SUMMARY_COLUMNS = (
    "scope",
    "group_a",
    "group_b",
    "statistic",
    "df",
    "p_value",
    "p_adjusted",
    "method",
    "n",
    "events",
    "status",
    "note",
)


@dataclass(frozen=True)
class LogRank:
    """``summary``: one row per test with SUMMARY_COLUMNS. ``counts``: n, observed, expected by group."""

    summary: pd.DataFrame
    counts: pd.DataFrame
    method: str
    n: int
    n_events: int
    n_missing: int
    status: str
    note: str


@dataclass(frozen=True)
class Trend:
    """A score test of one degree of freedom of the ``scores`` of ordered groups."""

    statistic: float
    df: int
    p_value: float
    scores: dict[object, float]
    method: str
    n: int
    n_events: int
    n_missing: int
    status: str
    note: str


@dataclass(frozen=True)
class _Sample:
    """Complete rows of the groups compared: times, events, codes of group and stratum."""

    outcome: Outcome
    group: IntArray
    stratum: IntArray
    labels: list[object]

    def of(self, chosen: Sequence[int]) -> _Sample:
        """The rows of the chosen groups, which become 0, 1, …"""
        kept = np.isin(self.group, list(chosen))
        codes = np.searchsorted(np.asarray(sorted(chosen)), self.group[kept])
        return _Sample(_rows(self.outcome, kept), codes, self.stratum[kept], [self.labels[i] for i in chosen])


@dataclass(frozen=True)
class _Excess:
    """Observed and expected events by group, and the covariance of their weighted difference."""

    observed: FloatArray
    expected: FloatArray
    difference: FloatArray
    covariance: FloatArray


@takes_any_frame
def log_rank(
    data: pd.DataFrame,
    time: str,
    event: str,
    group: str,
    levels: Sequence[object] | None = None,
    entry: str | None = None,
    strata: str | Sequence[str] | None = None,
    pairwise: bool = False,
    weights: str = "log_rank",
    rho: float = 1.0,
    gamma: float = 0.0,
    method: str = "asymptotic",
    adjust: str = "holm",
) -> LogRank:
    """Compare the groups overall and, with ``pairwise``, in every pair.

    ``levels`` gives the groups and their order; rows of others take no part. ``rho`` and ``gamma`` belong to
    fleming_harrington. ``method`` "exact" is the permutation test of two groups (permutation.py); that test
    allows no strata, late entry or weights. Each pair is tested on its own rows only, as R's users do;
    ``p_adjusted`` adjusts over the pairs.
    """
    require_choice(weights, WEIGHTS, "weights")
    require_choice(method, METHODS, "method")
    if method == "exact" and (strata is not None or entry is not None or weights != "log_rank"):
        raise ValueError(
            'method: "exact" expects no strata, no entry and weights "log_rank"; '
            f"found strata {strata}, entry {entry}, weights {weights}"
        )
    sample, n_missing = _read(data, time, event, group, levels, entry, strata)
    plain = _excess(sample, "log_rank", 1.0, 0.0)
    test = _exact_row if method == "exact" else _Asymptotic(weights, rho, gamma).row
    rows = [test(sample, "overall", plain)]
    if pairwise:
        chosen = combinations(range(len(sample.labels)), 2)
        pairs = [test(sample.of(pair), "pairwise", None) for pair in chosen]
        p_values = np.array([row["p_value"] for row in pairs], dtype=float)
        adjusted = adjust_p_values(p_values, adjust)
        rows += [row | {"p_adjusted": p} for row, p in zip(pairs, adjusted)]
    counts = pd.DataFrame(
        {
            "group_id": sample.labels,
            "n": np.bincount(sample.group, minlength=len(sample.labels)),
            "observed": plain.observed,
            "expected": plain.expected,
        }
    )
    summary = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    first: Mapping[str, Any] = rows[0]
    return LogRank(
        summary,
        counts,
        first["method"],
        sample.outcome.n,
        sample.outcome.n_events,
        n_missing,
        first["status"],
        first["note"],
    )


@takes_any_frame
def log_rank_trend(
    data: pd.DataFrame,
    time: str,
    event: str,
    group: str,
    levels: Sequence[object],
    scores: Sequence[float] | None = None,
    entry: str | None = None,
    strata: str | Sequence[str] | None = None,
    ties: str = "hypergeometric",
) -> Trend:
    """Test for a trend over ordered ``levels`` (Tarone 1975), with ``scores`` 1, 2, … unless given.

    ``ties`` "hypergeometric" uses the log-rank covariance, so that two groups give the log-rank test;
    "breslow" is the score test of the scores in a Cox model with Breslow's ties, which R users run.
    """
    require_choice(ties, ("hypergeometric", "breslow"), "ties")
    sample, n_missing = _read(data, time, event, group, levels, entry, strata)
    weight = np.arange(1, len(sample.labels) + 1) if scores is None else np.asarray(scores, dtype=float)
    if len(weight) != len(sample.labels) or not np.isfinite(weight).all():
        raise ValueError(
            f"scores: expected {len(sample.labels)} finite numbers, one per level; found {scores}"
        )
    excess = _excess(sample, "log_rank", 1.0, 0.0, tie_correction=ties == "hypergeometric")
    variance = float(weight @ excess.covariance @ weight)
    score = float(weight @ excess.difference)
    status, note = _status_of(sample, excess)
    statistic = score**2 / variance if status == OK and variance > 0 else np.nan
    if status == OK and not variance > 0:
        status, note = NOT_ESTIMABLE, "The scores do not vary among those at risk at any event."
    return Trend(
        statistic,
        1,
        float(chdtrc(1, statistic)),
        dict(zip(sample.labels, weight.tolist())),
        f"log-rank test for trend, {ties} variance",
        sample.outcome.n,
        sample.outcome.n_events,
        n_missing,
        status,
        note,
    )


@dataclass(frozen=True)
class _Asymptotic:
    weights: str
    rho: float
    gamma: float

    def row(self, sample: _Sample, scope: str, plain: _Excess | None) -> dict[str, object]:
        """A row of the summary; ``plain`` is the unweighted excess where that is known already."""
        excess = plain
        if excess is None or self.weights != "log_rank":
            excess = _excess(sample, self.weights, self.rho, self.gamma)
        statistic, df = quadratic_form(excess.difference, excess.covariance, excess.expected > 0)
        status, note = _status_of(sample, excess)
        if status != OK:
            statistic, df = np.nan, 0
        return _row(
            sample,
            scope,
            statistic,
            df,
            float(chdtrc(df, statistic)) if df else np.nan,
            self._name(sample),
            status,
            note,
        )

    def _name(self, sample: _Sample) -> str:
        name = {
            "log_rank": "log-rank",
            "gehan_breslow": "Gehan-Breslow",
            "tarone_ware": "Tarone-Ware",
            "peto_peto": "Peto-Peto",
            "fleming_harrington": f"Fleming-Harrington ({self.rho:g}, {self.gamma:g})",
        }[self.weights]
        strata = len(np.unique(sample.stratum))
        return f"{name}, {strata} strata" if strata > 1 else name


def _exact_row(sample: _Sample, scope: str, plain: _Excess | None) -> dict[str, object]:
    if len(sample.labels) > 2:
        row = _Asymptotic("log_rank", 1.0, 0.0).row(sample, scope, plain)
        note = f"The exact test compares two groups; this one, of {len(sample.labels)}, is asymptotic."
        return row | {"note": f"{note} {row['note']}".strip()}
    name = "log-rank, exact permutation"
    test = permutation_log_rank(sample.outcome.time, sample.outcome.event, sample.group == 0)
    return _row(sample, scope, test.statistic, 1, test.p_value, name, test.status, test.note)


def _excess(sample: _Sample, weights: str, rho: float, gamma: float, tie_correction: bool = True) -> _Excess:
    outcome, n_groups = sample.outcome, len(sample.labels)
    sets = risk_sets(outcome.time, outcome.event, outcome.entry, sample.stratum)
    member = (sample.group[:, None] == np.arange(n_groups)).astype(float)
    at_risk, events = sets.sum_at_risk(member), sets.sum_events(member)
    n, d = at_risk.sum(axis=1), sets.events
    share = at_risk / n[:, None] if len(n) else at_risk
    weight = _weight(sets, n, weights, rho, gamma)
    spread = np.divide(d * (n - d), n - 1, out=np.zeros_like(n), where=n > 1) if tie_correction else d
    scaled = (weight**2 * spread)[:, None] * share
    expected = weight[:, None] * d[:, None] * share
    return _Excess(
        observed=(weight[:, None] * events).sum(axis=0),
        expected=expected.sum(axis=0),
        difference=(weight[:, None] * events - expected).sum(axis=0),
        covariance=np.diag(scaled.sum(axis=0)) - scaled.T @ share,
    )


def _weight(sets: RiskSets, n: FloatArray, weights: str, rho: float, gamma: float) -> FloatArray:
    if weights == "log_rank":
        return np.ones_like(n)
    if weights == "gehan_breslow":
        return n
    if weights == "tarone_ware":
        return np.sqrt(n)
    if weights == "peto_peto":
        return _product_in_strata(1 - sets.events / (n + 1), sets.stratum)
    survival = _product_in_strata(1 - sets.events / n, sets.stratum)
    before = np.ones_like(survival)
    before[1:] = np.where(sets.stratum[1:] == sets.stratum[:-1], survival[:-1], 1.0)
    return before**rho * (1 - before) ** gamma


def _product_in_strata(factors: FloatArray, stratum: IntArray) -> FloatArray:
    return pd.Series(factors).groupby(stratum).cumprod().to_numpy()


def quadratic_form(
    difference: FloatArray, covariance: FloatArray, informative: BoolArray
) -> tuple[float, int]:
    """(O-E)' V^-1 (O-E) over the informative groups without one of them, and its degrees of freedom."""
    kept = np.flatnonzero(informative)[1:]
    if not len(kept):
        return np.nan, 0
    part = covariance[np.ix_(kept, kept)]
    if np.linalg.matrix_rank(part, hermitian=True) < len(kept):
        return np.nan, 0
    return float(difference[kept] @ np.linalg.solve(part, difference[kept])), len(kept)


def _status_of(sample: _Sample, excess: _Excess) -> tuple[str, str]:
    sizes = np.bincount(sample.group, minlength=len(sample.labels))
    empty = [str(label) for label, size in zip(sample.labels, sizes) if size == 0]
    if len(sizes) - len(empty) < 2:
        named = f" Without a subject: {', '.join(empty)}." if empty else ""
        return TOO_FEW_GROUPS, f"A comparison needs two groups with subjects.{named}"
    if sample.outcome.n_events == 0:
        return NO_EVENTS, f"None of the {sample.outcome.n} rows has an event."
    _, df = quadratic_form(excess.difference, excess.covariance, excess.expected > 0)
    if df == 0:
        return NOT_ESTIMABLE, "At no event time were two groups at risk together."
    never = [
        str(label)
        for label, size, expected in zip(sample.labels, sizes, excess.expected)
        if size and expected == 0
    ]
    notes = [f"Without a subject, left out: {', '.join(empty)}."] if empty else []
    notes += [f"Not at risk at any event time, left out: {', '.join(never)}."] if never else []
    return OK, " ".join(notes)


def _row(
    sample: _Sample,
    scope: str,
    statistic: float,
    df: int,
    p_value: float,
    method: str,
    status: str,
    note: str,
) -> dict[str, object]:
    pair = sample.labels if scope == "pairwise" else [None, None]
    return {
        "scope": scope,
        "group_a": pair[0],
        "group_b": pair[1],
        "statistic": statistic,
        "df": df,
        "p_value": p_value,
        "p_adjusted": np.nan,
        "method": method,
        "n": sample.outcome.n,
        "events": sample.outcome.n_events,
        "status": status,
        "note": note,
    }


def _read(
    data: pd.DataFrame,
    time: str,
    event: str,
    group: str,
    levels: Sequence[object] | None,
    entry: str | None,
    strata: str | Sequence[str] | None,
) -> tuple[_Sample, int]:
    within = [] if strata is None else [strata] if isinstance(strata, str) else list(strata)
    outcome = read_outcome(data, time, event, entry, [group, *within])
    rows = data[[group, *within]].iloc[outcome.rows]
    codes, labels = group_codes(rows, group, levels)
    stratum, _ = stratum_codes(rows, within or None)
    kept = codes >= 0
    if not kept.all():
        outcome, codes, stratum = _rows(outcome, kept), codes[kept], stratum[kept]
    return _Sample(outcome, codes, stratum, labels), outcome.n_missing


def _rows(outcome: Outcome, kept: BoolArray) -> Outcome:
    entry = None if outcome.entry is None else outcome.entry[kept]
    return Outcome(outcome.time[kept], outcome.event[kept], entry, outcome.rows[kept], outcome.n_missing)
