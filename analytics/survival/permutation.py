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


# all sums of a half's scores by how many were chosen (the position), each with the ways to reach it
Sums = list[tuple[FloatArray, FloatArray]]


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


def _sums(values: FloatArray, counts: np.ndarray, m: int) -> Sums:
    """All sums of up to ``m`` of the scores, one distinct value after the other."""
    sums: Sums = [(np.zeros(1), np.ones(1))]
    for value, count in zip(values, counts.tolist()):
        most = min(len(sums) - 1 + count, m)
        sums = [_with_value(sums, value, count, chosen) for chosen in range(most + 1)]
    return sums


def _with_value(sums: Sums, value: float, count: int, chosen: int) -> tuple[FloatArray, FloatArray]:
    """The sums of ``chosen`` scores when ``value``, which occurs ``count`` times, may be among them."""
    times = [c for c in range(count + 1) if 0 <= chosen - c < len(sums)]
    totals = [sums[chosen - c][0] + c * value for c in times]
    ways = [sums[chosen - c][1] * comb(count, c) for c in times]
    return np.concatenate(totals), np.concatenate(ways)


def _tail_share(first: Sums, second: Sums, m: int, mean: float, distance: float) -> float:
    """In how many ways m subjects have a sum at least ``distance`` from ``mean``."""
    count = 0.0
    for chosen, (totals, ways) in enumerate(first):
        if not 0 <= m - chosen < len(second):
            continue
        others, other_ways = _sorted(*second[m - chosen])
        below = np.concatenate([[0.0], np.cumsum(other_ways)])
        if distance <= 0:
            count += float(ways.sum() * below[-1])
            continue
        totals, ways = _sorted(totals, ways)  # searching in order stays within the cache
        low = below[np.searchsorted(others, mean - distance - totals, side="right")]
        high = below[-1] - below[np.searchsorted(others, mean + distance - totals, side="left")]
        count += float(ways @ (low + high))
    return count


def _sorted(totals: FloatArray, ways: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(totals)
    return totals[order], ways[order]


def _without_answer(n: int, status: str, note: str) -> PermutationLogRank:
    return PermutationLogRank(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, n, status, note)


def permutation_log_rank_k(
    time: FloatArray, event: BoolArray, group: np.ndarray, draws: int, seed: int
) -> PermutationLogRank:
    """Test ``group`` (codes) of two or more groups by ``draws`` random permutations of the log-rank scores.

    The statistic is the sum over groups of (S_g - E S_g)^2 / n_g, scaled by the scores' variance: chi-square
    in large samples (Hothorn and Lausen 2003). p = (1 + permutations at least as far) / (1 + draws), so it is
    never 0 and the test keeps its level whatever ``draws`` (Phipson and Smyth 2010). The same seed gives the
    same p. ``score_sum``, ``mean`` and ``variance`` are those of one group and stay empty.
    """
    n, sizes = len(time), np.bincount(group)
    if (sizes > 0).sum() < 2:
        return _without_answer(n, TOO_FEW_GROUPS, "A comparison needs two groups with subjects.")
    if not event.any():
        return _without_answer(n, NO_EVENTS, f"None of the {n} rows has an event.")
    scores = log_rank_scores(time, event)
    centred = scores - scores.mean()
    spread = float((centred**2).sum()) / (n - 1)
    if not spread > 1e-20:
        return _without_answer(n, NO_VARIANCE, "Every subject has the same log-rank score.")
    member = (group[:, None] == np.flatnonzero(sizes)).astype(float)
    weights = 1.0 / (sizes[sizes > 0] * spread)
    observed = float(((centred @ member) ** 2) @ weights)
    shuffled = np.random.default_rng(seed).permuted(np.tile(centred, (draws, 1)), axis=1)
    reached = int((((shuffled @ member) ** 2) @ weights >= observed * (1 - ROUNDING)).sum())
    return PermutationLogRank(
        statistic=observed,
        p_value=(1 + reached) / (1 + draws),
        p_asymptotic=float(chdtrc(int((sizes > 0).sum()) - 1, observed)),
        score_sum=np.nan,
        mean=np.nan,
        variance=np.nan,
        n=n,
        status=OK,
        note="",
    )
