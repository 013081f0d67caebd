"""The exact permutation distribution of the two-sample log-rank test.

Belongs here: log-rank scores and the distribution of their sum over all ways to choose one group.
Does not belong here: the asymptotic test (log_rank.py).

Each subject gets the score H(t) - delta: the cumulative hazard to its time, where tied events enter one
after the other and share the mean of their scores ("average scores", as coin::logrank_test), less 1 for an
event. If the groups do not differ, every choice of m of the N subjects is equally likely, and

    p = P(|T - E T| >= |t - E T|),   T = sum of the m chosen scores.

The count is exact: the subjects are split in two halves, all sums of each half are listed by how many were
chosen, and pairs are counted by sorting one list and searching it with the other (van de Wiel's split-up).
Equal scores are one value with binomial weight, so ties and heavy censoring make it cheaper.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, log

import numpy as np
from scipy.special import chdtrc

from analytics.status import NO_EVENTS, NO_VARIANCE, NOT_ESTIMABLE, OK, TOO_FEW_GROUPS
from analytics.survival.outcome import BoolArray, FloatArray

MAX_SUMS = 2**23  # sums listed per half: 46 subjects without any tie; about 0.4 GB and a few seconds
ROUNDING = 1e-10  # sums closer than this, in standard deviations, are equal


@dataclass(frozen=True)
class PermutationLogRank:
    """``statistic`` is (t - E T)^2 / Var T, chi-square with 1 df in large samples; ``p_value`` is exact."""

    statistic: float
    p_value: float
    p_asymptotic: float
    score_sum: float
    mean: float
    variance: float
    n: int
    status: str
    note: str


@dataclass(frozen=True)
class _Sums:
    """All sums of some of a half's scores: how many were chosen, the sum, in how many ways."""

    chosen: np.ndarray
    total: FloatArray
    ways: FloatArray


def permutation_log_rank(
    time: FloatArray, event: BoolArray, in_first: BoolArray, rounding: float = ROUNDING
) -> PermutationLogRank:
    """Test whether ``in_first`` (by subject) is independent of right-censored ``time`` and ``event``.

    Sums that come within ``rounding`` standard deviations of the observed distance count as reaching it.
    """
    n, m = len(time), int(in_first.sum())
    if m == 0 or m == n:
        return _without_answer(n, TOO_FEW_GROUPS, "A comparison needs two groups with subjects.")
    if not event.any():
        return _without_answer(n, NO_EVENTS, f"None of the {n} rows has an event.")
    scores = log_rank_scores(time, event)
    mean = m * scores.mean()
    variance = m * (n - m) / (n * (n - 1)) * float(((scores - scores.mean()) ** 2).sum())
    if not variance > 1e-20:
        return _without_answer(n, NO_VARIANCE, "Every subject has the same log-rank score.")
    observed = float(scores[in_first].sum())
    statistic = (observed - mean) ** 2 / variance
    answer = {
        "statistic": statistic,
        "p_asymptotic": float(chdtrc(1, statistic)),
        "score_sum": observed,
        "mean": mean,
        "variance": variance,
        "n": n,
    }
    halves = _split(scores)
    sizes = [float(np.prod(np.add(counts, 1.0))) for _, counts in halves]
    if max(sizes) > MAX_SUMS:
        note = (
            f"The exact distribution of {n} subjects needs {max(sizes):.2g} sums, more than {MAX_SUMS:.2g}; "
            "use the asymptotic test."
        )
        return PermutationLogRank(**answer, p_value=np.nan, status=NOT_ESTIMABLE, note=note)
    distance = abs(observed - mean) - rounding * np.sqrt(variance)
    p_value = _tail_share(_sums(*halves[0], m), _sums(*halves[1], m), m, mean, distance) / comb(n, m)
    return PermutationLogRank(**answer, p_value=min(p_value, 1.0), status=OK, note="")


def log_rank_scores(time: FloatArray, event: BoolArray) -> FloatArray:
    """Average log-rank scores H(t) - delta of right-censored times (Hothorn and Lausen 2003, coin)."""
    times, where = np.unique(time, return_inverse=True)
    events = np.bincount(where[event], minlength=len(times))
    at_risk = len(time) - np.searchsorted(np.sort(time), times)
    after = np.empty(len(times))
    within = np.empty(len(times))
    hazard = 0.0
    for k, (n, d) in enumerate(zip(at_risk.tolist(), events.tolist())):
        steps = hazard + np.cumsum(1.0 / (n - np.arange(d)))
        within[k] = steps.mean() if d else hazard
        hazard = after[k] = steps[-1] if d else hazard
    return np.where(event, within[where] - 1.0, after[where])


def _split(scores: FloatArray) -> list[tuple[FloatArray, np.ndarray]]:
    """Distinct scores with their counts, in two halves with about equally many sums."""
    values, counts = np.unique(scores, return_counts=True)
    sides: list[list[int]] = [[], []]
    load = [0.0, 0.0]
    for index in np.argsort(-counts, kind="stable"):
        side = int(load[1] < load[0])
        sides[side].append(int(index))
        load[side] += log(counts[index] + 1)
    return [(values[side], counts[side]) for side in sides]


def _sums(values: FloatArray, counts: np.ndarray, m: int) -> _Sums:
    chosen, total, ways = np.zeros(1, dtype=np.int16), np.zeros(1), np.ones(1)
    for value, count in zip(values, counts.tolist()):
        binomial = [comb(count, c) for c in range(count + 1)]
        chosen, total, ways = (
            np.concatenate([chosen + c for c in range(count + 1)]),
            np.concatenate([total + c * value for c in range(count + 1)]),
            np.concatenate([ways * b for b in binomial]),
        )
        kept = chosen <= m
        if not kept.all():
            chosen, total, ways = chosen[kept], total[kept], ways[kept]
    return _Sums(chosen, total, ways)


def _tail_share(first: _Sums, second: _Sums, m: int, mean: float, distance: float) -> float:
    """In how many ways m subjects have a sum at least ``distance`` from ``mean``."""
    count = 0.0
    for k in np.unique(first.chosen):
        left, right = first.chosen == k, second.chosen == m - k
        if not right.any():
            continue
        order = np.argsort(second.total[right])
        sums = second.total[right][order]
        below = np.concatenate([[0.0], np.cumsum(second.ways[right][order])])
        queries = np.sort(first.total[left])
        ways = first.ways[left][np.argsort(first.total[left])]
        low = below[np.searchsorted(sums, mean - distance - queries, side="right")]
        high = below[-1] - below[np.searchsorted(sums, mean + distance - queries, side="left")]
        count += float(ways @ (low + high)) if distance > 0 else float(ways.sum() * below[-1])
    return count


def _without_answer(n: int, status: str, note: str) -> PermutationLogRank:
    return PermutationLogRank(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, n, status, note)
