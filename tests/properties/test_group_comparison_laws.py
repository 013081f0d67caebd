"""Laws of group comparisons over samples that hypothesis makes: what must not change, and what must how."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from analytics.baseline.group_tests import K_GROUP_TESTS, MEASUREMENT_TESTS
from analytics.baseline.table_one import VariableSpec, table_one
from analytics.censored.groups import censored_two_groups
from analytics.censored.regression import censored_regression
from analytics.censored.summary import quantile_bounds, ratio_bounds
from analytics.groups.counts import chi_square, fisher
from analytics.groups.fisher_exact import mid_p, odds_ratio, one_sided_p, two_sided_p
from analytics.groups.fisher_network import exact_p
from analytics.groups.proportions import clopper_pearson_interval, risk_difference, wilson_interval
from analytics.missing.rubin import pool
from analytics.multiplicity import METHODS, adjust_p_values
from analytics.words.formatting import format_number, format_p

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
PAIR = {"value": "x", "group": "g", "groups": ("a", "b")}
SWAPPED = {"value": "x", "group": "g", "groups": ("b", "a")}
K_MEASUREMENT_TESTS = {
    name: test for name, test in K_GROUP_TESTS.items() if name not in ("fisher_k", "chi_square_k")
}
SPREAD = ("brown_forsythe", "levene")  # their effect is a spread: adding a constant leaves it, as it does p
NO_SCALE = ("rank_biserial", "cohen_d", "hedges_g", "distribution_distance")
P_VALUES = st.lists(st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1)), min_size=1, max_size=25)


@st.composite
def samples(draw: st.DrawFn, groups: str = "ab") -> pd.DataFrame:
    """Values of two groups or more, coarse enough for ties or fine enough for none, some missing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    step = draw(st.sampled_from([1.0, 0.1, 1e-6]))
    sizes = [draw(st.integers(3, 18)) for _ in groups]
    labels = np.repeat(list(groups), sizes)
    values = rng.normal(5, draw(st.sampled_from([1.0, 4.0])), len(labels)) + (labels == "b") * draw(
        st.floats(-3, 3)
    )
    values = np.round(values / step) * step
    values[rng.random(len(values)) < draw(st.sampled_from([0.0, 0.1]))] = np.nan
    return pd.DataFrame({"g": labels, "x": values})


def answered(test, data, asked):
    found = test(data, **asked)
    assume(found.status == "ok")
    return found


def same(a, b) -> bool:
    numbers = [
        (getattr(a, f), getattr(b, f)) for f in ("statistic", "df", "p_value", "effect", "ci_low", "ci_high")
    ]
    return all(x is y is None or x == pytest.approx(y, rel=1e-8, abs=1e-9) for x, y in numbers)


@pytest.mark.parametrize("name", MEASUREMENT_TESTS)
@QUICK
@given(samples())
def test_swapping_the_groups_negates_the_effect_and_keeps_p(name, data):
    found, swapped = (answered(MEASUREMENT_TESTS[name], data, asked) for asked in (PAIR, SWAPPED))

    assert swapped.p_value == pytest.approx(found.p_value, rel=1e-9)
    sign = 1 if found.effect_kind == "distribution_distance" else -1
    for effect, other in zip(found.effects, swapped.effects, strict=True):
        if effect.estimate is None:
            continue
        assert other.estimate == pytest.approx(sign * effect.estimate, rel=1e-9, abs=1e-9)
        if effect.ci_low is not None:
            assert (other.ci_low, other.ci_high) == pytest.approx(
                (sign * effect.ci_high, sign * effect.ci_low), rel=1e-7, abs=1e-7
            )


@pytest.mark.parametrize("name", [*MEASUREMENT_TESTS, *K_MEASUREMENT_TESTS])
@QUICK
@given(samples(groups="abc"), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(name, data, random):
    asked = PAIR if name in MEASUREMENT_TESTS else PAIR | {"groups": ("a", "b", "c")}
    test = (MEASUREMENT_TESTS | K_MEASUREMENT_TESTS)[name]
    order = list(range(len(data)))
    random.shuffle(order)

    assert same(answered(test, data, asked), answered(test, data.iloc[order], asked))


@pytest.mark.parametrize("name", MEASUREMENT_TESTS)
@QUICK
@given(samples(), st.sampled_from([2.0, 1024.0, 0.25]))
def test_a_change_of_unit_scales_the_effect_and_keeps_the_test(name, data, factor):
    test = MEASUREMENT_TESTS[name]
    found, scaled = answered(test, data, PAIR), answered(test, data.assign(x=data["x"] * factor), PAIR)

    assert scaled.p_value == pytest.approx(found.p_value, rel=1e-9)
    assert scaled.statistic == pytest.approx(found.statistic, rel=1e-9)
    for effect, other in zip(found.effects, scaled.effects, strict=True):
        by = 1.0 if effect.kind in NO_SCALE else factor
        if effect.estimate is not None:
            assert other.estimate == pytest.approx(by * effect.estimate, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", MEASUREMENT_TESTS)
@QUICK
@given(samples(), st.sampled_from([-3.0, 8.0]))
def test_a_constant_added_to_everybody_changes_nothing(name, data, constant):
    data = data.assign(x=np.round(data["x"] * 1024) / 1024)  # so that adding is exact and ties stay ties
    found = answered(MEASUREMENT_TESTS[name], data, PAIR)

    assert same(found, answered(MEASUREMENT_TESTS[name], data.assign(x=data["x"] + constant), PAIR))


@pytest.mark.parametrize("name", [n for n in MEASUREMENT_TESTS if n not in (*SPREAD, "kolmogorov_smirnov")])
@QUICK
@given(samples(), st.sampled_from([-4.0, 8.0]))
def test_a_constant_added_to_the_first_group_moves_the_shift_by_it(name, data, constant):
    data = data.assign(x=np.round(data["x"] * 1024) / 1024)
    moved = data.assign(x=data["x"] + constant * (data["g"] == "a"))

    found, after = (answered(MEASUREMENT_TESTS[name], d, PAIR) for d in (data, moved))

    assert after.effect == pytest.approx(found.effect + constant, abs=1e-9)
    assert (after.ci_low, after.ci_high) == pytest.approx(
        (found.ci_low + constant, found.ci_high + constant), abs=1e-9
    )


@pytest.mark.parametrize("name", ["mann_whitney", "mann_whitney_exact", "kolmogorov_smirnov"])
@QUICK
@given(samples())
def test_rank_tests_see_the_order_only(name, data):
    test = MEASUREMENT_TESTS[name]

    found, bent = answered(test, data, PAIR), answered(test, data.assign(x=data["x"] ** 3), PAIR)

    assert (bent.statistic, bent.p_value) == pytest.approx((found.statistic, found.p_value))


@pytest.mark.parametrize("name", MEASUREMENT_TESTS)
@QUICK
@given(samples())
def test_estimates_lie_in_their_intervals_and_p_values_in_zero_to_one(name, data):
    found = answered(MEASUREMENT_TESTS[name], data, PAIR)

    assert 0 <= found.p_value <= 1
    for effect in found.effects:
        if effect.ci_low is not None and effect.kind not in ("cohen_d", "hedges_g"):
            assert effect.ci_low - 1e-9 <= effect.estimate <= effect.ci_high + 1e-9


@pytest.mark.parametrize("name", ["student_t", "welch_t"])
@QUICK
@given(samples())
def test_the_interval_holds_zero_exactly_when_p_is_above_five_percent(name, data):
    found = answered(MEASUREMENT_TESTS[name], data, PAIR)
    assume(abs(found.p_value - 0.05) > 1e-9)

    assert (found.ci_low < 0 < found.ci_high) == (found.p_value > 0.05)


@pytest.mark.parametrize("name", K_MEASUREMENT_TESTS)
@QUICK
@given(samples(groups="abc"))
def test_the_order_and_names_of_groups_do_not_matter(name, data):
    renamed = data.assign(g=data["g"].map({"a": "p", "b": "q", "c": "r"}))
    found, turned, other = (
        answered(K_MEASUREMENT_TESTS[name], frame, {"value": "x", "group": "g", "groups": tuple(groups)})
        for frame, groups in ((data, "abc"), (data, "cab"), (renamed, "pqr"))
    )

    assert turned.p_value == pytest.approx(found.p_value, rel=1e-8)
    assert other.p_value == pytest.approx(found.p_value, rel=1e-8)


TABLES = st.tuples(*[st.integers(0, 30)] * 4).filter(lambda t: min(t[0] + t[1], t[2] + t[3]) > 0)


@QUICK
@given(TABLES)
def test_exact_p_values_of_a_two_by_two_table_hold_together(cells):
    table = np.array(cells).reshape(2, 2)
    less, greater = one_sided_p(table)
    two = two_sided_p(table)

    assert 0 < two <= 1
    assert less + greater >= 1 - 1e-12  # both hold the observed table
    assert min(less, greater) <= two + 1e-12
    assert mid_p(table) < two
    for turned in (table.T, table[::-1], table[:, ::-1]):
        assert two_sided_p(turned) == pytest.approx(two, rel=1e-10)
    assert exact_p(table) == pytest.approx(two, rel=1e-6)


@QUICK
@given(TABLES)
def test_swapping_rows_inverts_the_odds_ratio_and_its_interval(cells):
    table = np.array(cells).reshape(2, 2)
    found, turned = odds_ratio(table, 0.95), odds_ratio(table[::-1], 0.95)
    assume(found.estimate is not None)

    def inverse(value):
        return 1 / value if value else np.inf

    assert found.ci_low <= found.estimate <= found.ci_high
    assert (turned.estimate, turned.ci_low, turned.ci_high) == pytest.approx(
        (inverse(found.estimate), inverse(found.ci_high), inverse(found.ci_low)), rel=1e-9
    )


@QUICK
@given(st.lists(st.integers(0, 6), min_size=6, max_size=9), st.integers(2, 3))
def test_the_exact_test_of_a_table_does_not_depend_on_how_it_lies(cells, rows):
    table = np.array(cells[: len(cells) // rows * rows]).reshape(rows, -1)
    assume(table.shape[1] > 1)
    expected = exact_p(table)

    assert 0 < expected <= 1
    assert exact_p(table.T) == pytest.approx(expected, rel=1e-10)
    assert exact_p(table[::-1][:, ::-1]) == pytest.approx(expected, rel=1e-10)


@QUICK
@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 40), st.integers(1, 40))
def test_risk_difference_and_its_interval_negate_and_stay_inside_one(a, n_a, b, n_b):
    a, b = min(a, n_a), min(b, n_b)
    found, swapped = risk_difference(a, n_a, b, n_b, 0.95), risk_difference(b, n_b, a, n_a, 0.95)

    assert (swapped.estimate, swapped.ci_low, swapped.ci_high) == pytest.approx(
        (-found.estimate, -found.ci_high, -found.ci_low)
    )
    assert -1 <= found.ci_low <= found.estimate <= found.ci_high <= 1
    low, high = clopper_pearson_interval(a, n_a, 0.95)
    assert low <= a / n_a <= high
    assert wilson_interval(a, n_a, 0.95)[0] <= a / n_a <= wilson_interval(a, n_a, 0.95)[1]


@pytest.mark.parametrize("test", [fisher, chi_square])
@QUICK
@given(TABLES)
def test_swapping_groups_of_counts_keeps_p(test, cells):
    a, b, c, d = cells
    data = pd.DataFrame({"g": ["a"] * (a + b) + ["b"] * (c + d), "x": [1] * a + [0] * b + [1] * c + [0] * d})

    found, swapped = (answered(test, data, asked | {"level": True}) for asked in (PAIR, SWAPPED))

    assert swapped.p_value == pytest.approx(found.p_value, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@QUICK
@given(P_VALUES, st.randoms(use_true_random=False))
def test_adjusted_p_values_keep_their_order_and_never_fall_below_the_raw(method, p_values, random):
    adjusted = adjust_p_values(p_values, method)
    order = np.argsort(p_values, kind="stable")
    shuffled = list(range(len(p_values)))
    random.shuffle(shuffled)

    assert (adjusted >= np.array(p_values) - 1e-15).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[order]) >= -1e-15).all()
    assert adjust_p_values([p_values[i] for i in shuffled], method) == pytest.approx(adjusted[shuffled])


@QUICK
@given(P_VALUES)
def test_stricter_adjustments_give_larger_p_values(p_values):
    by = {method: adjust_p_values(p_values, method) for method in METHODS}

    for stricter, laxer in [
        ("bonferroni", "holm"),
        ("holm", "hochberg"),
        ("hochberg", "hommel"),
        ("hommel", "BH"),
        ("BY", "BH"),
    ]:
        assert (by[stricter] >= by[laxer] - 1e-12).all(), (stricter, laxer)


@QUICK
@given(samples(groups="abc"))
def test_another_group_does_not_change_the_rows_of_the_first_two(data):
    specs = [VariableSpec("x", "median_iqr", "mann_whitney")]
    few, few_compared = table_one(
        data[data["g"] != "c"], specs, group="g", groups=("a", "b"), comparisons=[("a", "b")]
    )
    all_three, compared = table_one(
        data, specs, group="g", groups=("a", "b", "c"), comparisons=[("a", "b"), ("a", "c")]
    )

    pd.testing.assert_frame_equal(all_three[all_three["group_id"] != "c"].reset_index(drop=True), few)
    kept = [column for column in compared if column != "p_adjusted"]
    pd.testing.assert_frame_equal(compared.loc[[0], kept], few_compared[kept])


@st.composite
def bounded(draw: st.DrawFn) -> pd.DataFrame:
    """Positive values of two groups, those below a limit known as such."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    values = np.exp(rng.normal(0, 1, draw(st.integers(16, 40)))).round(draw(st.sampled_from([1, 4]))) + 0.01
    limit = draw(st.sampled_from([0.05, 0.4, 0.8]))
    hidden = values < limit
    return pd.DataFrame(
        {
            "g": np.where(np.arange(len(values)) % 2, "a", "b"),
            "value": values,
            "lower": np.where(hidden, np.nan, values),
            "upper": np.where(hidden, limit, values),
        }
    )


@pytest.mark.parametrize("method", ["peto_prentice", "gehan", "gehan_exact"])
@QUICK
@given(bounded())
def test_censored_tests_keep_p_and_invert_the_ratio_when_groups_swap(method, data):
    one, other = (
        censored_two_groups(data, group="g", groups=groups, method=method)
        for groups in (("a", "b"), ("b", "a"))
    )
    assume(one.status == "ok" and one.effect is not None)

    assert other.p_value == pytest.approx(one.p_value, rel=1e-9)
    assert (other.effect, other.ci_low, other.ci_high) == pytest.approx(
        (1 / one.effect, 1 / one.ci_high, 1 / one.ci_low), rel=1e-6
    )


@QUICK
@given(bounded(), st.sampled_from([10.0, 0.001]))
def test_a_change_of_unit_leaves_ratios_of_censored_values_alone(data, factor):
    found = censored_regression(data, "~ g")
    assume(found.status == "ok")
    scaled = censored_regression(
        data.assign(lower=data["lower"] * factor, upper=data["upper"] * factor), "~ g"
    )

    assert scaled.coefficient("gb")["ratio"] == pytest.approx(found.coefficient("gb")["ratio"], rel=1e-6)
    assert scaled.coefficient("(Intercept)")["ratio"] == pytest.approx(
        factor * found.coefficient("(Intercept)")["ratio"], rel=1e-6
    )


@QUICK
@given(bounded(), st.sampled_from([0.1, 0.25, 0.5, 0.75]))
def test_the_true_quantile_lies_within_the_bounds(data, probability):
    low, high = data["lower"].fillna(0).to_numpy(), data["upper"].to_numpy()

    found = quantile_bounds(low, high, probability)

    assert found.low - 1e-12 <= np.quantile(data["value"], probability) <= found.high + 1e-12


@QUICK
@given(bounded(), bounded())
def test_the_true_ratio_lies_within_its_bounds(above, below):
    n = min(len(above), len(below))
    data = pd.concat([above[:n].add_prefix("a_"), below[:n].add_prefix("b_")], axis=1)

    found = ratio_bounds(data, ("a_lower", "a_upper"), ("b_lower", "b_upper"))

    ratio = data["a_value"] / data["b_value"]
    assert (found["lower"].fillna(0) <= ratio + 1e-12).all()
    assert (found["upper"].fillna(np.inf) >= ratio - 1e-12).all()


@QUICK
@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 4)), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
)
def test_pooling_does_not_depend_on_the_order_of_imputations_and_never_shrinks_the_variance(fits, random):
    shuffled = list(fits)
    random.shuffle(shuffled)

    one, other = (
        pool(np.array([[q] for q, _ in f]), np.array([[u] for _, u in f]), ["x"], 30).summary.iloc[0]
        for f in (fits, shuffled)
    )

    assert one.drop("term").astype(float).tolist() == pytest.approx(other.drop("term").astype(float).tolist())
    assert one["total"] >= one["within"]
    assert 0 < one["df"] < 30


@QUICK
@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_printing_rounds_to_the_nearest_and_symmetrically(value, decimals):
    printed = float(format_number(value, decimals))

    assert abs(printed - value) <= 0.5 * 10**-decimals * (1 + 1e-9) + 1e-6 * (abs(value) > 1e5)
    assert float(format_number(-value, decimals)) == -printed


@QUICK
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_p_value_never_prints_larger(p, q):
    low, high = sorted((p, q))
    printed = [0.0 if text.startswith("<") else float(text) for text in (format_p(low), format_p(high))]

    assert printed[0] <= printed[1]
