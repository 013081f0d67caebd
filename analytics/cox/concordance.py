"""Concordance of a score with survival: how often the one with the higher score has the event first.

Belongs here: counts over comparable pairs, and their infinitesimal-jackknife standard error.
Does not belong here: the fit that made the score.

A pair is comparable when one has an event at t and the other is at risk just after t: it left later than t,
or was censored at t, and had entered before t; pairs of tied events are not. C = (concordant + tied scores/2)
/ comparable. The influence of row i on d = (concordant - discordant)/comparable follows from the pairs it is
part of; the variance of C is a quarter of the sum of squared influences, summed by cluster first where there
are clusters (survival::concordance).

Counts come from a wavelet matrix: n ranks stored bit by bit, so that "how many of a stretch of the list are
below r, how many equal r" takes log2(n) array operations for all rows at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.cox.residuals import collapse
from analytics.survival.outcome import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Concordance:
    """``concordance`` and ``std_error``; pairs counted. NaN when no pair is comparable."""

    concordance: float
    std_error: float
    concordant: float
    discordant: float
    tied_score: float


def concordance(
    time: FloatArray,
    event: BoolArray,
    score: FloatArray,
    entry: FloatArray | None = None,
    stratum: IntArray | None = None,
    cluster: IntArray | None = None,
) -> Concordance:
    """Compare pairs within ``stratum``; a higher ``score`` predicts an earlier event."""
    stratum = np.zeros(len(time), dtype=np.int64) if stratum is None else stratum
    _, rank = np.unique(score, return_inverse=True)
    keys = _time_keys(time, entry, stratum)
    as_event = _pairs_as_event(keys, event, rank)
    as_survivor = _pairs_as_survivor(keys, event, rank)
    concordant, discordant, tied = (float(column.sum()) for column in as_event.T)
    total = concordant + discordant + tied
    if total == 0:
        return Concordance(np.nan, np.nan, 0.0, 0.0, 0.0)
    somers_d = (concordant - discordant) / total
    pairs = as_event + as_survivor
    influence = (pairs[:, 0] - pairs[:, 1] - somers_d * pairs.sum(axis=1)) / total
    if cluster is not None:
        influence = collapse(influence[:, None], cluster)[:, 0]
    return Concordance(
        (somers_d + 1) / 2, float(np.sqrt(influence @ influence) / 2), concordant, discordant, tied
    )


@dataclass(frozen=True)
class _Keys:
    """Integer keys that order times within strata: 2 x rank, so that "just after" is key + 1."""

    time: IntArray
    entry: IntArray | None
    base: IntArray  # below every key of the row's stratum
    top: IntArray  # above every key of the row's stratum


def _time_keys(time: FloatArray, entry: FloatArray | None, stratum: IntArray) -> _Keys:
    both = time if entry is None else np.concatenate([entry, time])
    values, rank = np.unique(both, return_inverse=True)
    width = 2 * len(values) + 4
    base = stratum * width
    of_time = rank if entry is None else rank[len(time) :]
    of_entry = None if entry is None else base + 2 * rank[: len(time)] + 2
    return _Keys(base + 2 * of_time + 2, of_entry, base, base + width)


def _pairs_as_event(key: _Keys, event: BoolArray, rank: IntArray) -> FloatArray:
    """By row, when its event comes first: others with a lower score, a higher, the same (n, 3)."""
    rows = np.flatnonzero(event)
    # a censored row outlasts events at its own time
    outlasts = key.time + ~event
    order = np.argsort(outlasts, kind="stable")
    end = np.searchsorted(outlasts[order], key.top[rows])
    counts = _count(
        rank[order], np.searchsorted(outlasts[order], key.time[rows], side="right"), end, rank[rows]
    )
    if key.entry is not None:
        order = np.argsort(key.entry, kind="stable")
        late = np.searchsorted(key.entry[order], key.time[rows])
        end = np.searchsorted(key.entry[order], key.top[rows])
        counts = counts - _count(rank[order], late, end, rank[rows])
    result = np.zeros((len(event), 3))
    result[rows] = counts
    return result


def _pairs_as_survivor(key: _Keys, event: BoolArray, rank: IntArray) -> FloatArray:
    """By row, when another's event comes first: the other's score is higher, lower, the same (n, 3)."""
    rows = np.flatnonzero(event)
    order = rows[np.argsort(key.time[rows], kind="stable")]
    start = key.base if key.entry is None else key.entry
    first = np.searchsorted(key.time[order], start, side="right")
    last = np.searchsorted(key.time[order], key.time + ~event)
    lower, higher, tied = _count(rank[order], first, np.maximum(last, first), rank).T
    return np.stack([higher, lower, tied], axis=1)


def _count(ranks: IntArray, first: IntArray, last: IntArray, wanted: IntArray) -> FloatArray:
    """By query: how many of ``ranks[first:last]`` are below ``wanted``, above it, equal to it (q, 3)."""
    sequence, wanted = ranks.astype(np.int32), wanted.astype(np.int32)  # half the memory to walk through
    low, high = first.astype(np.int32), last.astype(np.int32)
    below = np.zeros(len(wanted), dtype=np.int32)
    zeros_before = np.zeros(len(sequence) + 1, dtype=np.int32)
    for bit in range(int(max(ranks.max(initial=0), wanted.max(initial=0))).bit_length() - 1, -1, -1):
        ones = (sequence >> bit) & 1 == 1
        np.cumsum(~ones, out=zeros_before[1:])
        low_zeros, high_zeros = zeros_before[low], zeros_before[high]
        wants_one = (wanted >> bit) & 1 == 1
        below += np.where(wants_one, high_zeros - low_zeros, 0)
        low = np.where(wants_one, zeros_before[-1] + low - low_zeros, low_zeros)
        high = np.where(wants_one, zeros_before[-1] + high - high_zeros, high_zeros)
        sequence = np.concatenate([sequence[~ones], sequence[ones]])
    equal = high - low
    return np.stack([below, last - first - below - equal, equal], axis=1).astype(float)
