"""Standardised effects and intervals of noncentral distributions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from analytics.groups.effect_sizes import (
    cramers_v,
    explained_variance,
    noncentral_t_interval,
    probability_greater_interval,
    small_sample_factor,
)


def noncentral_t_cdf(t, df, delta):
    """P(T <= t) by integrating over the chi distribution of the denominator."""

    def integrand(s):
        return stats.norm.cdf(t * s - delta) * stats.chi.pdf(s * math.sqrt(df), df) * math.sqrt(df)

    return integrate.quad(integrand, 0, 1 + 12 / math.sqrt(df), epsabs=1e-12, limit=200)[0]


@pytest.mark.parametrize(("t", "df"), itertools.product([-6.0, -1.0, 0.0, 0.3, 2.5, 9.0], [3, 12, 60]))
def test_noncentral_t_interval_has_its_tails_at_the_statistic(t, df):
    low, high = noncentral_t_interval(t, df, 0.95)

    assert noncentral_t_cdf(t, df, low) == pytest.approx(0.975, abs=1e-8)
    assert noncentral_t_cdf(t, df, high) == pytest.approx(0.025, abs=1e-8)


@pytest.mark.parametrize("t", [-300.0, -40.0, 25.0, 300.0])
@pytest.mark.parametrize("df", [1, 5, 100, 1e5])
def test_extreme_statistics_still_have_a_finite_interval_that_holds_them(t, df):
    low, high = noncentral_t_interval(t, df, 0.95)

    assert np.isfinite([low, high]).all()
    assert low < high
    assert np.sign(low + high) == np.sign(t)


def test_small_sample_factor_tends_to_one():
    assert small_sample_factor(1) == 0.0
    assert small_sample_factor(10) == pytest.approx(0.9227456, abs=1e-7)
    assert small_sample_factor(1e6) == pytest.approx(1 - 3 / (4e6 - 1), abs=1e-9)


@pytest.mark.parametrize("theta", [0.0, 0.2, 0.5, 0.93, 1.0])
def test_interval_of_the_probability_of_the_greater_is_symmetric_and_holds_it(theta):
    low, high = probability_greater_interval(theta, 12, 18, 0.95)
    other_low, other_high = probability_greater_interval(1 - theta, 18, 12, 0.95)

    assert 0 <= low <= theta <= high <= 1
    assert high - low > 0.05
    assert (other_low, other_high) == pytest.approx((1 - high, 1 - low))


def test_explained_variance_of_nothing_starts_at_zero():
    effect = explained_variance(0.4, 2, 30, 0.95)

    assert (effect.ci_low, effect.estimate) == pytest.approx((0.0, 0.8 / 30.8))
    assert effect.ci_high > effect.estimate


def test_cramers_v_of_perfect_association_ends_at_one():
    effect = cramers_v(40.0, 40, 2, 2, 0.95)

    assert (effect.estimate, effect.ci_high) == (1.0, 1.0)
    assert 0.5 < effect.ci_low < 1.0
