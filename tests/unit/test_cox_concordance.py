"""Concordance counted pair by pair, with ties, late entry and strata."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.cox.concordance import concordance


def by_pairs(time, event, score, entry, stratum) -> tuple[list[float], np.ndarray]:
    """Concordant, discordant, tied pairs, and the same by the rows that take part in them."""
    n = len(time)
    rows = np.zeros((n, 3))
    for i in range(n):
        for j in range(n):
            outlasts = time[j] > time[i] or (time[j] == time[i] and not event[j])
            if i == j or not event[i] or stratum[i] != stratum[j] or not outlasts or entry[j] >= time[i]:
                continue
            kind = 0 if score[i] > score[j] else 1 if score[i] < score[j] else 2
            rows[[i, j], kind] += 1
    return (rows.sum(axis=0) / 2).tolist(), rows


@pytest.mark.parametrize("seed", range(6))
def test_counts_and_influence_are_those_of_all_comparable_pairs(seed):
    rng = np.random.default_rng(seed)
    n = 60
    time = rng.integers(2, 15, n).astype(float)
    event, score = rng.random(n) < 0.6, rng.integers(0, 8, n).astype(float)
    late = seed % 2 == 1
    entry = np.floor(time * rng.random(n)) - 1 if late else np.full(n, -1.0)
    stratum = rng.integers(0, 3, n) if seed > 2 else np.zeros(n, dtype=int)

    found = concordance(time, event, score, entry if late else None, stratum)

    counts, rows = by_pairs(time, event, score, entry, stratum)
    total = sum(counts)
    d = (counts[0] - counts[1]) / total
    influence = (rows[:, 0] - rows[:, 1] - d * rows.sum(axis=1)) / total
    assert [found.concordant, found.discordant, found.tied_score] == counts
    assert found.concordance == pytest.approx((d + 1) / 2)
    assert found.std_error == pytest.approx(np.sqrt((influence**2).sum()) / 2)


def test_a_score_that_orders_events_perfectly_has_concordance_1_and_its_reverse_0():
    time, event = np.arange(1.0, 6.0), np.ones(5, dtype=bool)

    assert concordance(time, event, -time).concordance == 1
    assert concordance(time, event, time).concordance == 0


def test_without_comparable_pairs_there_is_none():
    assert np.isnan(
        concordance(np.array([3.0, 3.0]), np.array([True, True]), np.array([1.0, 2.0])).concordance
    )
