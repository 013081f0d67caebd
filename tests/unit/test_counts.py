"""Groups compared by counts. Numbers of R are in tests/reference; here are rules, enumeration and bad
input.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from analytics.groups import fisher_network
from analytics.groups.counts import chi_square, chi_square_k, chi_square_yates, fisher, fisher_k, fisher_mid_p
from analytics.groups.fisher_exact import mid_p, odds_ratio, one_sided_p, two_sided_p
from analytics.groups.pearson import mcnemar, pearson
from analytics.groups.proportions import clopper_pearson_interval, wilson_interval

PAIR = {"value": "dysphagia", "group": "group_id", "groups": ("nxp2", "mda5")}


def frame(nxp2, mda5, column="dysphagia"):
    return pd.DataFrame({"group_id": ["nxp2"] * len(nxp2) + ["mda5"] * len(mda5), column: [*nxp2, *mda5]})


def yes_no(yes_a, n_a, yes_b, n_b):
    return frame([True] * yes_a + [False] * (n_a - yes_a), [True] * yes_b + [False] * (n_b - yes_b))


def every_table(rows, columns):
    """All tables of counts with these margins, one row of cells after the other."""
    if len(rows) == 1:
        yield (tuple(columns),)
        return
    options = [range(min(rows[0], c) + 1) for c in columns]
    for first in itertools.product(*options):
        if sum(first) == rows[0]:
            for rest in every_table(rows[1:], [c - f for c, f in zip(columns, first, strict=True)]):
                yield (first, *rest)


def enumerated_p(table):
    """The exact p value by listing every table with the observed margins."""

    def weight(cells):
        return math.exp(-sum(math.lgamma(cell + 1) for row in cells for cell in row))

    weights = np.array([weight(t) for t in every_table(list(table.sum(axis=1)), list(table.sum(axis=0)))])
    return weights[weights <= weight(table.tolist()) * (1 + 1e-9)].sum() / weights.sum()


@pytest.mark.parametrize(
    "table",
    [
        [[3, 1, 0], [1, 4, 2]],
        [[3, 1, 2], [0, 4, 2], [1, 1, 5]],
        [[2, 0, 1, 3], [1, 5, 0, 0], [2, 2, 2, 1]],
        [[1, 0, 2], [2, 1, 0], [0, 3, 1], [1, 1, 1]],
        [[5, 0], [0, 4], [1, 1]],
        [[3, 3, 3], [3, 3, 3]],
        [[0, 0, 4], [6, 2, 0]],
    ],
)
def test_network_algorithm_counts_every_table_with_the_observed_margins(table):
    table = np.array(table)

    assert fisher_network.exact_p(table) == pytest.approx(enumerated_p(table), rel=1e-12)


def test_network_algorithm_does_not_depend_on_the_order_of_rows_and_columns():
    table = np.array([[12, 3, 7, 0], [5, 9, 2, 4], [6, 6, 11, 1]])
    expected = fisher_network.exact_p(table)

    for turned in (table[::-1], table[:, ::-1], table.T, table[[1, 2, 0]][:, [3, 1, 0, 2]]):
        assert fisher_network.exact_p(turned) == pytest.approx(expected, rel=1e-12)


def test_empty_levels_do_not_change_an_exact_p_value():
    table = np.array([[3, 1, 2], [0, 4, 2]])
    padded = np.array([[3, 0, 1, 2], [0, 0, 4, 2], [0, 0, 0, 0]])

    assert fisher_network.exact_p(padded) == pytest.approx(fisher_network.exact_p(table), rel=1e-14)


def test_a_table_of_two_columns_is_fisher_s_own_test():
    table = np.array([[8, 2], [1, 5]])

    assert fisher_network.exact_p(table) == pytest.approx(two_sided_p(table), rel=1e-12)


def test_a_table_too_large_to_count_is_a_status_not_a_wait(monkeypatch):
    monkeypatch.setattr(fisher_network, "STEPS", 100)
    rng = np.random.default_rng(1)
    data = frame(rng.choice(list("pqrst"), 60).tolist(), rng.choice(list("pqrst"), 60).tolist())

    found = fisher(data, **PAIR)

    assert (found.status, found.p_value) == ("not_estimable", None)
    assert found.note.endswith("use chi_square")


def test_published_zero_cell_has_an_open_interval():
    found = fisher(yes_no(5, 18, 0, 12), **PAIR, level=True)

    assert found.p_value == pytest.approx(0.0656814449917898, rel=1e-12)
    assert (found.effect, found.ci_high) == (math.inf, math.inf)
    assert found.ci_low == pytest.approx(0.672114549804223, rel=1e-12)
    risk = found.effect_of("risk_difference")
    assert (risk.estimate, risk.ci_low) == pytest.approx((5 / 18, -0.00883196772119177))


@pytest.mark.parametrize(
    "table", [[[3, 9], [7, 4]], [[1, 30], [9, 22]], [[0, 8], [5, 7]], [[40, 1], [31, 12]]]
)
def test_interval_of_the_odds_ratio_puts_its_tail_at_the_observed_count(table):
    table = np.array(table)
    (a, b), (c, d) = table.tolist()
    support = np.arange(max(0, a + b - b - d), min(a + b, a + c) + 1)

    def chances(odds):
        logs = np.array(
            [-sum(math.lgamma(x + 1) for x in (k, a + b - k, a + c - k, d - a + k)) for k in support]
        )
        weights = np.exp(logs - logs.max() + (support - a) * math.log(odds))
        return weights / weights.sum()

    found = odds_ratio(table, 0.95)

    if found.ci_low > 0:
        assert chances(found.ci_low)[support >= a].sum() == pytest.approx(0.025, rel=1e-9)
    if math.isfinite(found.ci_high):
        assert chances(found.ci_high)[support <= a].sum() == pytest.approx(0.025, rel=1e-9)
    if 0 < found.estimate < math.inf:
        assert (chances(found.estimate) * support).sum() == pytest.approx(a, rel=1e-12)


def test_mid_p_is_smaller_by_half_of_the_observed_table_and_its_interval_narrower():
    table = np.array([[3, 9], [7, 4]])
    exact, mid = odds_ratio(table, 0.95), odds_ratio(table, 0.95, mid=True)

    assert two_sided_p(table) - mid_p(table) == pytest.approx(sum(one_sided_p(table)) / 2 - 0.5)
    assert exact.ci_low < mid.ci_low < mid.estimate < mid.ci_high < exact.ci_high


def test_risk_difference_is_first_less_second_among_those_known():
    data = frame([True, True, False, None], [True, False, False, False])

    found = fisher(data, **PAIR, level=True)

    assert (found.n_a, found.n_b, found.n_missing) == (3, 4, 1)
    assert found.effect_of("risk_difference").estimate == pytest.approx(2 / 3 - 1 / 4)


@pytest.mark.parametrize("values", [(1.0, 0.0), (1, 0), (True, False)])
def test_yes_is_one_however_it_is_stored(values):
    yes, no = values
    data = frame([yes, yes, no], [yes, no, no, no])

    assert fisher(data, **PAIR, level=True).effect_of("risk_difference").estimate == pytest.approx(
        2 / 3 - 1 / 4
    )


def test_everybody_alike_is_a_status_and_the_risk_difference_stays():
    found = fisher(yes_no(4, 4, 6, 6), **PAIR, level=True)

    assert (found.status, found.p_value, found.effect) == ("no_variance", None, None)
    assert found.effect_of("risk_difference").estimate == 0.0


@pytest.mark.parametrize("test", [fisher, chi_square, fisher_k, chi_square_k])
def test_absent_and_unknown_groups_are_statuses(test):
    absent = test(frame(["x", "y"], []), **PAIR)
    unknown = test(frame(["x", "y"], [None, None]), **PAIR)

    assert (absent.status, unknown.status) == ("too_few_groups", "too_few_observations")
    assert (absent.p_value, unknown.p_value) == (None, None)


def test_chi_square_tells_of_small_expected_counts():
    found = chi_square(yes_no(3, 10, 1, 9), **PAIR, level=True)

    assert found.note == "2 of 4 expected counts are below 5; use fisher, which is exact"


def test_a_level_that_nobody_has_costs_no_degree_of_freedom():
    data = frame(list("ppqq"), list("pqqq"))

    assert chi_square(data, **PAIR, levels=("p", "q", "r")).df == 1.0


def test_a_value_outside_the_declared_levels_is_an_error_that_shows_no_value():
    with pytest.raises(
        ValueError, match="1 rows hold a value that is not among the declared levels p, q"
    ) as caught:
        fisher(frame(list("pqz"), list("pq")), **PAIR, levels=("p", "q"))
    assert "z" not in str(caught.value).split("levels")[0].replace("zero", "")


@pytest.mark.parametrize("test", [fisher_mid_p, chi_square_yates])
def test_two_by_two_tests_refuse_larger_tables(test):
    with pytest.raises(ValueError, match=r"is for a 2 x 2 table; found 3 levels\. Name the one that counts"):
        test(frame(list("pqr"), list("pqr")), **PAIR)


def test_yates_correction_never_crosses_the_expected_count():
    assert pearson(np.array([[2, 2], [2, 2]]), yates=True)[0] == 0.0
    assert pearson(np.array([[5, 13], [0, 12]]), yates=True)[0] == pytest.approx(2.25)


def test_mcnemar_without_discordant_pairs_has_no_answer():
    assert all(math.isnan(x) for x in mcnemar(np.array([[4, 0], [0, 9]])))


def test_intervals_of_a_proportion_stay_inside_zero_and_one():
    assert wilson_interval(0, 12, 0.95) == pytest.approx((0.0, 0.242494006655241))
    assert wilson_interval(12, 12, 0.95) == pytest.approx((1 - 0.242494006655241, 1.0))
    assert clopper_pearson_interval(0, 12, 0.95) == pytest.approx((0.0, 0.264648469397051))
    assert clopper_pearson_interval(5, 18, 0.95) == pytest.approx((0.0969492125255593, 0.534801965583056))
