"""One proportion, and the difference of two, with intervals.

Belongs here: intervals from counts. Does not belong here: tests (``fisher_exact.py``,
``pearson.py``), frames.

Sources: Wilson 1927 (JASA 22:209-212); Clopper & Pearson 1934 (Biometrika 26:404-413); Newcombe 1998
(Stat Med 17:873-890, method 10, without continuity correction).
"""

from __future__ import annotations

import math

from scipy import special

from analytics.comparison import Effect


def wilson_interval(count: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval: proportions p with |count / n - p| <= z sqrt(p (1 - p) / n)."""
    z = _z(confidence)
    p = count / n
    centre = p + z**2 / (2 * n)
    reach = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low = 0.0 if count == 0 else (centre - reach) / (1 + z**2 / n)
    high = 1.0 if count == n else (centre + reach) / (1 + z**2 / n)
    return low, high


def clopper_pearson_interval(count: int, n: int, confidence: float) -> tuple[float, float]:
    """Exact interval: proportions whose binomial tail at ``count`` is at least (1 - confidence) / 2."""
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(special.betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(special.betaincinv(count + 1, n - count, 1 - tail))
    return low, high


def risk_difference(a: int, n_a: int, b: int, n_b: int, confidence: float) -> Effect:
    """a / n_a - b / n_b with Newcombe's interval: square-and-add of the two Wilson intervals."""
    p_a, p_b = a / n_a, b / n_b
    low_a, high_a = wilson_interval(a, n_a, confidence)
    low_b, high_b = wilson_interval(b, n_b, confidence)
    difference = p_a - p_b
    return Effect(
        "risk_difference",
        difference,
        difference - math.hypot(p_a - low_a, high_b - p_b),
        difference + math.hypot(high_a - p_a, p_b - low_b),
        "Newcombe, from Wilson intervals",
    )


def wald_risk_difference(a: int, n_a: int, b: int, n_b: int, confidence: float) -> Effect:
    """a / n_a - b / n_b with the Wald interval, which is too narrow at this registry's sizes: for
    comparison.
    """
    p_a, p_b = a / n_a, b / n_b
    reach = _z(confidence) * math.sqrt(p_a * (1 - p_a) / n_a + p_b * (1 - p_b) / n_b)
    return Effect("risk_difference", p_a - p_b, p_a - p_b - reach, p_a - p_b + reach, "Wald")


def _z(confidence: float) -> float:
    return float(special.ndtri(0.5 + confidence / 2))
