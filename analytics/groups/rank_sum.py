"""The numbers behind rank tests: U, its exact distribution with ties, and order statistics of differences.

Belongs here: array kernels of Mann-Whitney and Hodges-Lehmann.
Does not belong here: frames, statuses and results (``two_groups.py``).

U counts the pairs in which the first group's value is the greater; a tie counts half. Given the pooled
values, every split of them into groups of these sizes is equally likely under the null hypothesis; the exact
distribution of the rank sum follows from Streitberg & Röhmel's shift algorithm (1986, Statistical Software
Newsletter 12:10-17) on doubled midranks, which are integers with ties too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

EXACT_STEPS = 6_000_000_000  # additions of the shift algorithm: a few seconds; two groups of about 200 each
ALL_PAIRS = 4_000_000  # up to here every pairwise difference is formed


@dataclass(frozen=True)
class RankSum:
    """U of the first group, with the mean and variance that it has under the null hypothesis."""

    u: float
    mean: float
    variance: float

    def z(self, continuity: bool) -> float:
        """Standardised U; the continuity correction moves it half a unit towards its mean."""
        gap = self.u - self.mean
        return (gap - (math.copysign(0.5, gap) if continuity and gap else 0.0)) / math.sqrt(self.variance)


def rank_sum(a: np.ndarray, b: np.ndarray) -> RankSum:
    """U and its null moments, variance corrected for ties (Lehmann 1975, Nonparametrics, eq. 1.35)."""
    n, m = len(a), len(b)
    pooled = np.concatenate([a, b])
    ranks = stats.rankdata(pooled)
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    return RankSum(u, n * m / 2, null_variance(n, m, tie_sizes(pooled)))


def null_variance(n: int, m: int, ties: np.ndarray) -> float:
    total = n + m
    adjustment = float((ties**3 - ties).sum()) / (total * (total - 1)) if total > 1 else 0.0
    return n * m / 12 * ((total + 1) - adjustment)


def tie_sizes(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_counts=True)[1].astype(float)


def normal_p(z: float) -> float:
    return min(1.0, 2 * float(special.ndtr(-abs(z))))


def exact_steps(a: np.ndarray, b: np.ndarray) -> int:
    """About what the exact distribution costs, in additions."""
    scores, chosen, _ = _integer_scores(a, b)
    return _steps(scores, chosen)


def exact_p(a: np.ndarray, b: np.ndarray) -> float:
    """P(|U - mean| >= |observed U - mean|) over all splits of the pooled values: exact, ties included."""
    return _permutation_p(*_integer_scores(a, b))


def permutation_p(scores: np.ndarray, first: np.ndarray) -> float | None:
    """Exact two-sided p of the sum of integer scores of the first group; None beyond ``EXACT_STEPS``."""
    shifted = scores.astype(np.int64) - int(scores.min())
    shifted //= int(np.gcd.reduce(shifted)) or 1
    smaller = shifted[first] if 2 * int(first.sum()) <= len(first) else shifted[~first]
    if _steps(shifted, len(smaller)) > EXACT_STEPS:
        return None
    return _permutation_p(shifted, len(smaller), int(smaller.sum()))


def _permutation_p(scores: np.ndarray, chosen: int, observed: int) -> float:
    counts = _subset_sum_distribution(scores, chosen)
    sums = np.arange(len(counts), dtype=np.int64)
    # |S - E| >= |s - E| with E = chosen * total / N, times N to stay in integers
    size, total = len(scores), int(scores.sum())
    extreme = np.abs(sums * size - chosen * total) >= abs(observed * size - chosen * total)
    return min(1.0, float(counts[extreme].sum() / counts.sum()))


def _steps(scores: np.ndarray, chosen: int) -> int:
    largest = int(np.sort(scores)[len(scores) - chosen :].sum())
    return len(scores) * chosen * (largest + 1) // 4


def _integer_scores(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Doubled midranks, smallest 0, over their common divisor; the smaller group's size and sum."""
    doubled = np.rint(2 * stats.rankdata(np.concatenate([a, b]))).astype(np.int64)
    shifted = doubled - doubled.min()
    divisor = int(np.gcd.reduce(shifted)) or 1
    scores = shifted // divisor
    smaller = scores[: len(a)] if len(a) <= len(b) else scores[len(a) :]
    return scores, len(smaller), int(smaller.sum())


def _subset_sum_distribution(scores: np.ndarray, chosen: int) -> np.ndarray:
    """Relative frequency of each sum of ``chosen`` scores out of all, as one array indexed by the sum.

    counts[k, s] after i scores = counts[k, s] + counts[k - 1, s - score], from 1 / C(N, chosen) at the
    empty sum, so that nothing overflows; only positive numbers are added, so the relative error stays
    near one rounding per score.
    """
    scores = np.sort(scores)
    size = len(scores)
    prefix = np.concatenate([[0], np.cumsum(scores)]).tolist()
    counts = np.zeros((chosen + 1, prefix[size] - prefix[size - chosen] + 1))
    counts[0, 0] = math.exp(-_log_choose(size, chosen))
    for seen, score in enumerate(scores.tolist(), start=1):
        for k in range(min(seen, chosen), 0, -1):
            low, high = prefix[k - 1], prefix[seen - 1] - prefix[seen - k] + 1  # sums of k - 1 so far
            counts[k, low + score : high + score] += counts[k - 1, low:high]
    return counts[chosen]


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def exact_null_distribution(n: int, m: int) -> np.ndarray:
    """The chance of each U = 0 … nm without ties."""
    frequency = _subset_sum_distribution(np.arange(n + m, dtype=np.int64), min(n, m))
    smallest = min(n, m) * (min(n, m) - 1) // 2
    chances = frequency[smallest : smallest + n * m + 1]
    return chances / chances.sum()


def exact_null_quantile(n: int, m: int, probability: float) -> tuple[int, float]:
    """The smallest u with P(U <= u) >= probability without ties, and P(U <= u - 1)."""
    cumulative = np.cumsum(exact_null_distribution(n, m))
    cumulative = cumulative / cumulative[-1]
    u = int(np.searchsorted(cumulative, probability * (1 - 1e-13)))
    return u, (float(cumulative[u - 1]) if u else 0.0)


def hodges_lehmann(a: np.ndarray, b: np.ndarray) -> float:
    """The median of all pairwise differences, first minus second (Hodges & Lehmann 1963)."""
    pairs = len(a) * len(b)
    low, high = (pairs + 1) // 2, pairs // 2 + 1
    found = ordered_differences(a, b, (low, high))
    return 0.5 * (found[0] + found[1])


def ordered_differences(a: np.ndarray, b: np.ndarray, positions: tuple[int, ...]) -> list[float]:
    """The k-th smallest of all differences ``a_i - b_j`` for each 1-based k in ``positions``.

    Beyond ALL_PAIRS differences a bisection on the value, which counts without forming them, narrows
    the bracket first: 10,000 against 10,000 needs neither 1e8 numbers nor their sort.
    """
    a, b = np.sort(a), np.sort(b)
    if len(a) * len(b) <= ALL_PAIRS:
        wanted = np.array(positions) - 1
        differences = np.partition(np.subtract.outer(a, b).ravel(), np.unique(wanted))
        return [float(differences[k]) for k in wanted]
    return [_select_difference(a, b, k) for k in positions]


def _select_difference(a: np.ndarray, b: np.ndarray, position: int) -> float:
    low, high = float(a[0] - b[-1]), float(a[-1] - b[0])
    below = 0  # differences < low
    while _count_at_most(a, b, high) - below > ALL_PAIRS:
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        count = _count_at_most(a, b, middle)
        if count >= position:
            high = middle
        else:
            low, below = np.nextafter(middle, np.inf), count
    left = np.searchsorted(b, a - high, side="left")
    right = np.searchsorted(b, a - low, side="right")
    inside = np.concatenate([x - b[i:j] for x, i, j in zip(a, left, right, strict=True) if j > i])
    inside = inside[(inside >= low) & (inside <= high)]
    if position - below > len(inside):  # all ties at one value
        return high
    return float(np.partition(inside, position - below - 1)[position - below - 1])


def _count_at_most(a: np.ndarray, b: np.ndarray, value: float) -> int:
    """How many differences a_i - b_j are at most ``value``: those with b_j >= a_i - value."""
    return int((len(b) - np.searchsorted(b, a - value, side="left")).sum())


def shift_interval(
    a: np.ndarray,
    b: np.ndarray,
    confidence: float,
    continuity: bool,
) -> tuple[float, float, float]:
    """Hodges-Lehmann interval by inverting the normal test: low, high, and the confidence that it reaches.

    Shifting the first group by d changes U only where d passes a pairwise difference, so the ends are
    differences (Lehmann 1975, section 2.6). Between them the variance is that of ties within each
    group. With few observations no shift is rejected: then the ends are the extreme differences and
    their confidence is below the one asked for.
    """
    n, m = len(a), len(b)
    pairs = n * m
    ties = np.concatenate([tie_sizes(a), tie_sizes(b)])
    spread = math.sqrt(max(null_variance(n, m, ties), 0.0))
    half = 0.5 if continuity else 0.0
    z = float(special.ndtri(0.5 + confidence / 2))
    first = math.ceil(pairs / 2 - half - z * spread)
    last = math.floor(pairs / 2 + half + z * spread) + 1
    reached = confidence
    if first < 1 or last > pairs:
        reached = 1 - normal_p((pairs / 2 - half) / spread) if spread else 0.0
    low, high = ordered_differences(a, b, (min(max(first, 1), pairs), min(max(last, 1), pairs)))
    return low, high, min(confidence, reached)


def exact_shift_interval(a: np.ndarray, b: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Distribution-free Hodges-Lehmann interval: low, high, and its exact confidence without ties.

    With ties the closed interval keeps at least this confidence (Noether 1967, JASA 62:184-188).
    """
    pairs = len(a) * len(b)
    quantile, below = exact_null_quantile(len(a), len(b), (1 - confidence) / 2)
    if quantile == 0:
        quantile, below = 1, 1 / math.comb(len(a) + len(b), len(a))
    low, high = ordered_differences(a, b, (quantile, pairs - quantile + 1))
    return low, high, 1 - 2 * below
