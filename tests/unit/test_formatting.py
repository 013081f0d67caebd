"""How numbers print: rounding, summaries, p values."""

from __future__ import annotations

import math

import pytest

from analytics.words.formatting import (
    format_count_percent,
    format_estimate_ci,
    format_limit,
    format_mean_sd,
    format_median_iqr,
    format_number,
    format_p,
)


@pytest.mark.parametrize(
    ("value", "decimals", "keep_zeros", "printed"),
    [
        (0.285, 2, True, "0.29"),  # the nearest binary number lies below the half
        (-0.285, 2, True, "-0.29"),
        (22.225, 2, True, "22.23"),
        (0.1 + 0.2, 2, True, "0.30"),
        (1.005, 2, True, "1.01"),
        (2.5, 0, True, "3"),
        (-0.001, 2, True, "0.00"),
        (3792.0, 2, False, "3792"),
        (437.5, 2, False, "437.5"),
        (100.0, 0, False, "100"),
        (1234567.891, 1, True, "1234567.9"),
        (1e-7, 2, False, "0"),
        (math.inf, 2, True, "∞"),
        (-math.inf, 2, True, "-∞"),
        (math.nan, 2, True, "–"),
        (None, 2, True, "–"),
    ],
)
def test_numbers_round_half_away_from_zero_as_a_person_sees_them(value, decimals, keep_zeros, printed):
    assert format_number(value, decimals, keep_zeros) == printed


def test_summaries_print_as_the_published_tables_do():
    assert format_mean_sd(31.333333, 11.799) == "31.33 ± 11.80"
    assert format_median_iqr(3792.0, 893.0, 5126.0, keep_zeros=False) == "3792 (893, 5126)"
    assert format_median_iqr(2.0, 1.9, 2.8) == "2.00 (1.90, 2.80)"
    assert format_median_iqr(434.35, 250.3, 490.17, keep_zeros=False) == "434.35 (250.3, 490.17)"
    assert format_count_percent(4, 18) == "4 (22.22)"
    assert format_count_percent(0, 12) == "0 (0.00)"


def test_nobody_known_is_not_zero_percent():
    assert format_count_percent(0, 0) == "–"
    assert format_mean_sd(None, None) == "–"
    assert format_mean_sd(5.0, None) == "5.00 ± –"
    assert format_median_iqr(math.nan, math.nan, math.nan) == "–"


@pytest.mark.parametrize(
    ("p_value", "printed"),
    [
        (0.0041, "0.004"),
        (0.0005, "<0.001"),
        (0.00099999, "<0.001"),
        (0.001, "0.001"),
        (1.0, "1.000"),
        (None, "–"),
        (0.0645, "0.065"),
        (0.0, "<0.001"),
    ],
)
def test_p_value_prints_with_three_decimals_or_below_the_last(p_value, printed):
    assert format_p(p_value) == printed


def test_p_value_takes_other_decimals():
    assert format_p(0.056511, 5) == "0.05651"
    assert format_p(0.00009, 4) == "<0.0001"


def test_a_quantile_below_a_limit_prints_as_the_limit():
    assert format_median_iqr(format_limit(0.1), format_limit(0.1), 1.18) == "<0.10 (<0.10, 1.18)"


def test_an_open_interval_prints_infinity():
    assert format_estimate_ci(math.inf, 0.6721, math.inf) == "∞ (0.67 to ∞)"
    assert format_estimate_ci(1.4, 0.556, 3.644) == "1.40 (0.56 to 3.64)"
    assert format_estimate_ci(None, None, None) == "–"
