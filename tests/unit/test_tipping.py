"""What the lost could change: the bounds hold for every way, and the tipping table is counted by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from analytics.study.sensitivity.tipping import (
    Arm,
    extremes,
    lost_arms,
    steps,
    tipping_rows,
    tipping_sentence,
    tipping_shift,
    ways,
)

ARMS = [
    (Arm("A", 13, 9, 5), Arm("B", 9, 1, 3)), (Arm("A", 4, 4, 2), Arm("B", 4, 0, 1)), (Arm("A", 6, 3, 0), Arm("B", 6, 3, 0)),
    (Arm("A", 0, 0, 3), Arm("B", 2, 1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), ARMS)
def test_every_way_lies_between_the_opposite_extremes_and_they_are_reached(a: Arm, b: Arm):
    differences = [
        (a.events + i) / a.n - (b.events + j) / b.n for i, j in product(range(a.lost + 1), range(b.lost + 1))
    ]
    assert extremes(a, b) == pytest.approx((min(differences), max(differences)))


@pytest.mark.parametrize(("a", "b"), ARMS)
def test_each_p_value_of_the_table_is_fishers(a: Arm, b: Arm):
    found = ways(a, b)
    expected = [
        [
            fisher_exact([[a.events + i, a.n - a.events - i], [b.events + j, b.n - b.events - j]]).pvalue
            for j in range(b.lost + 1)
        ]
        for i in range(a.lost + 1)
    ]
    np.testing.assert_allclose(found.p, expected, rtol=1e-10)
    rows = tipping_rows(a, b, found, {})
    assert [r["p_value"] for r in rows] == pytest.approx(np.ravel(expected).tolist())
    assert rows[0]["display"] == f"{a.events / a.n - b.events / b.n:.2f}"


def test_both_extremes_of_one_kind_do_not_bound_the_difference():
    """All or none of both groups moves both the same way: the observed difference lay outside these
    "bounds".
    """
    a, b = ARMS[0]
    same_way = sorted((a.events + k * a.lost) / a.n - (b.events + k * b.lost) / b.n for k in (0, 1))
    observed = a.events / a.known - b.events / b.known
    assert not same_way[0] <= observed <= same_way[1]
    low, high = extremes(a, b)
    assert low <= observed <= high


def test_the_sentence_says_where_p_crosses_the_level():
    a, b = ARMS[0]
    below = sum(p < 0.05 for p in ways(a, b).p.ravel())
    assert tipping_sentence(a, b, ways(a, b)) == (
        f"A vs B: between 0.17 and 0.69, with p below 0.05 in {below} of 24 ways"
        " (so if 0 of 3 lost B had it, whatever the lost A had; so if at least 5 of 5 lost A and 3 of 3 lost B had it)"
    ), ways(a, b).p
    assert (
        tipping_sentence(*ARMS[2], ways(*ARMS[2]))
        == "A vs B: between 0.00 and 0.00, with p at or above 0.05 in every way"
    )


def test_a_large_table_is_printed_at_steps_and_counted_whole():
    a, b = Arm("A", 100, 30, 60), Arm("B", 100, 10, 40)
    found = ways(a, b)
    assert found.p.shape == (61, 41)
    assert len(tipping_rows(a, b, found, {})) == len(steps(60)) * len(steps(40)) == 12 * 12
    assert steps(60)[0] == 0 and steps(60)[-1] == 60


def test_arms_are_counted_from_patients():
    times = pd.DataFrame(
        {"group_id": list("aaab"), "is_event": [True, False, False, True], "lost": [False, False, True, True]}
    )
    assert lost_arms(times, ["a", "b"], {"a": "A", "b": "B"}) == {
        "a": Arm("A", 2, 1, 1),
        "b": Arm("B", 0, 0, 1),
    }


@pytest.mark.parametrize(("edge", "expected"), [(-3.14, -3.2), (-9.99, -10.0), (-11.0, None)])
def test_the_tipping_shift_is_the_first_step_beyond_the_edge(edge: float, expected: float | None):
    tried: list[float] = []

    def p_value(shift: float) -> float:
        tried.append(shift)
        return 0.04 if shift < edge else 0.2

    found = tipping_shift(p_value, 10.0, -1, at_zero=0.2)
    assert found == (None if expected is None else pytest.approx(expected))
    assert found is None or found in tried
