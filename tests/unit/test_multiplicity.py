"""Adjusted p values. R's numbers for 140 and more are in tests/reference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analytics.multiplicity import METHODS, adjust_p_values, adjust_within_families

P = [0.01, 0.02, 0.022, 0.3]


@pytest.mark.parametrize(
    ("method", "adjusted"),
    [
        ("none", [0.01, 0.02, 0.022, 0.3]),
        ("bonferroni", [0.04, 0.08, 0.088, 1.0]),
        ("holm", [0.04, 0.06, 0.06, 0.3]),
        ("hochberg", [0.04, 0.044, 0.044, 0.3]),
        ("BH", [0.088 / 3, 0.088 / 3, 0.088 / 3, 0.3]),
    ],
)
def test_adjustments_of_a_small_family(method, adjusted):
    assert adjust_p_values(P, method) == pytest.approx(adjusted)


def test_hommel_is_closed_testing_with_simes():
    p = np.array([0.011, 0.02, 0.022, 0.09, 0.5])

    def simes(chosen):
        ordered = np.sort(p[list(chosen)])
        return (len(ordered) * ordered / np.arange(1, len(ordered) + 1)).min()

    subsets = [s for size in range(1, 6) for s in itertools.combinations(range(5), size)]
    closed = [max(simes(s) for s in subsets if i in s) for i in range(5)]

    assert adjust_p_values(p, "hommel") == pytest.approx(closed)


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_p_value_stays_missing_and_does_not_count(method):
    found = adjust_p_values([0.01, None, 0.02, float("nan")], method)

    assert np.isnan(found[[1, 3]]).all()
    assert found[[0, 2]] == pytest.approx(adjust_p_values([0.01, 0.02], method))


def test_families_are_adjusted_each_by_itself():
    found = adjust_within_families([0.01, 0.03, 0.04, 0.5], ["a", "b", "a", None], "holm")

    assert found[:3] == pytest.approx([0.02, 0.03, 0.04])
    assert np.isnan(found[3])


def test_no_p_values_is_no_answer_and_no_error():
    assert len(adjust_p_values([], "holm")) == 0
    assert np.isnan(adjust_p_values([None], "hommel")).all()


def test_unknown_method_names_the_nearest():
    with pytest.raises(ValueError, match='Did you mean "hochberg"'):
        adjust_p_values(P, "hochburg")


def test_p_values_outside_zero_to_one_are_an_error():
    with pytest.raises(ValueError, match="p_values: expected numbers from 0 to 1; found 1 outside"):
        adjust_p_values([0.2, 1.2], "BH")


def test_families_must_be_as_many_as_p_values():
    with pytest.raises(ValueError, match=r"families: expected one per p value \(2\); found 1"):
        adjust_within_families([0.1, 0.2], ["a"], "BH")
