"""Two groups compared where some values are known only as below or above a limit.

Belongs here: rank tests that use all that is known in spite of the limits, and nothing else. Does not belong
here: regression (``regression.py``), summaries (``summary.py``), times to an event (``survival``).

- ``peto_prentice``: the log-rank test of the values turned round, weighted by the estimated distribution
  (Prentice 1978; Harrington & Fleming's rho = 1, as R's survdiff and NADA2). Limits on one side only.
- ``gehan``: each pair counts as greater, smaller or not known (Gehan 1965, Biometrika 52:203-223), with the
  permutation variance (Mantel 1967); limits on any side. Without limits it is Mann-Whitney.
- ``gehan_exact``: Gehan's test with its exact permutation distribution. The limits must not depend on the
  group.

The effect is the ratio of geometric means by log-normal regression. Beside it stands the probability that
the first group's value is the greater, as bounds, because the limits hide some values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analytics.censored.regression import censored_regression, read_bounds
from analytics.comparison import CONFIDENCE, Effect, TwoGroupTest, check_confidence, check_pair, count_ties
from analytics.door import takes_any_frame
from analytics.groups import rank_sum
from analytics.status import (
    NO_VARIANCE,
    NOT_ESTIMABLE,
    OK,
    TOO_FEW_GROUPS,
    TOO_FEW_OBSERVATIONS,
    require_choice,
    require_columns,
)
from analytics.survival.log_rank import log_rank

METHODS = ("peto_prentice", "gehan", "gehan_exact")
METHOD_WORDS = {
    "peto_prentice": "Peto-Prentice test of censored values (rho = 1)",
    "gehan": "Gehan's test, permutation variance",
    "gehan_exact": "Gehan's test, exact permutation distribution",
}


@takes_any_frame
def censored_two_groups(
    data: pd.DataFrame,
    *,
    group: str,
    groups: Sequence[Any],
    lower: str = "lower",
    upper: str = "upper",
    method: str = "peto_prentice",
    confidence: float = CONFIDENCE,
) -> TwoGroupTest:
    """Compare two groups of positive values of which some are bounds. See the module for the methods."""
    check_confidence(confidence)
    check_pair(groups)
    require_choice(method, METHODS, "method")
    require_columns(data, [group, lower, upper])
    data = data[data[group].isin(list(groups))].reset_index(drop=True)
    low, high, known = read_bounds(data, lower, upper, positive=True)
    first = (data[group] == groups[0]).to_numpy()[known]
    low, high = low[known], high[known]
    n_a, n_b = int(first.sum()), int((~first).sum())
    empty = TwoGroupTest(
        method,
        METHOD_WORDS[method],
        str(groups[0]),
        str(groups[1]),
        n_a,
        n_b,
        int((~known).sum()),
        confidence=confidence,
    )
    wrong = _what_is_wrong(data, group, groups, n_a, n_b, low, high)
    if wrong is not None:
        return replace(empty, status=wrong[0], note=wrong[1])
    answer = (
        _peto_prentice(low, high, first) if method == "peto_prentice" else _gehan(low, high, first, method)
    )
    return _with_effects(
        replace(empty, ties=count_ties(low[low == high]), **answer),
        data,
        group,
        groups,
        lower,
        upper,
        low,
        high,
        first,
        confidence,
    )


def _what_is_wrong(
    data: pd.DataFrame,
    group: str,
    groups: Sequence[Any],
    n_a: int,
    n_b: int,
    low: np.ndarray,
    high: np.ndarray,
) -> tuple[str, str] | None:
    absent = [str(label) for label in groups if not (data[group] == label).any()]
    if absent:
        return TOO_FEW_GROUPS, f"no row has {group} {' or '.join(absent)}: nothing to compare with"
    if min(n_a, n_b) == 0:
        return (
            TOO_FEW_OBSERVATIONS,
            f"nothing is known of any value in {groups[0] if n_a == 0 else groups[1]}",
        )
    if not gehan_scores(low, high).any():
        return NO_VARIANCE, "because of the limits, no two values can be put in order"
    return None


def _peto_prentice(low: np.ndarray, high: np.ndarray, first: np.ndarray) -> dict[str, Any]:
    exact = low == high
    below, above = ~exact & (low == 0), ~exact & np.isinf(high) & (low > 0)
    if not (exact | below).all() and not (exact | above).all():
        return {
            "status": NOT_ESTIMABLE,
            "note": "some values lie above a limit or between two limits, which this test cannot use; use "
            "gehan",
        }
    turn = -1.0 if below.any() else 1.0
    at = turn * np.where(below, high, low)
    # only the order matters: ranks keep ties that subtraction would lose
    order = np.unique(at, return_inverse=True)[1] + 1.0
    frame = pd.DataFrame({"time": order, "event": exact.astype(int), "group": np.where(first, "a", "b")})
    found = log_rank(
        frame, "time", "event", "group", levels=("a", "b"), weights="fleming_harrington", rho=1.0
    )
    row = found.summary.iloc[0]
    if found.status != OK:
        return {"status": found.status, "note": found.note}
    return {"statistic": float(row["statistic"]), "df": float(row["df"]), "p_value": float(row["p_value"])}


def _gehan(low: np.ndarray, high: np.ndarray, first: np.ndarray, method: str) -> dict[str, Any]:
    scores = gehan_scores(low, high)
    size, n = len(scores), int(first.sum())
    w = float(scores[first].sum())
    if method == "gehan":
        variance = n * (size - n) / (size * (size - 1)) * float((scores.astype(float) ** 2).sum())
        z = w / math.sqrt(variance)
        return {"statistic": z, "p_value": rank_sum.normal_p(z)}
    p_value = rank_sum.permutation_p(scores, first)
    if p_value is None:
        return {
            "status": NOT_ESTIMABLE,
            "note": f"the exact distribution of {size} values is too large; use gehan",
        }
    return {"statistic": w, "p_value": p_value}


def gehan_scores(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """For each value how many others are surely smaller, less how many are surely greater.

    A value below a limit is smaller than a value measured at that limit; two measured at the same are tied.
    """
    exact = low == high
    return _surely_below(low, high, exact) - _surely_below(-high, -low, exact)


def _surely_below(low: np.ndarray, high: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """How many j have high[j] < low[i], or high[j] = low[i] with one of them a bound."""
    strictly = np.searchsorted(np.sort(high), low, side="left")
    at_most = np.searchsorted(np.sort(high), low, side="right")
    bounds = np.sort(high[~exact])
    bounds_at = np.searchsorted(bounds, low, side="right") - np.searchsorted(bounds, low, side="left")
    return np.where(exact, strictly + bounds_at, at_most)


def _with_effects(
    result: TwoGroupTest,
    data: pd.DataFrame,
    group: str,
    groups: Sequence[Any],
    lower: str,
    upper: str,
    low: np.ndarray,
    high: np.ndarray,
    first: np.ndarray,
    confidence: float,
) -> TwoGroupTest:
    probability = _probability_bounds(low, high, first)
    fit = censored_regression(
        data,
        f"~ {_quoted(group)}",
        lower=lower,
        upper=upper,
        confidence=confidence,
        factors={group: (groups[1], groups[0])},
    )
    if fit.status != OK:
        note = f"no ratio of geometric means: {fit.note}"
        return replace(result, note="; ".join(filter(None, (result.note, note))), more_effects=(probability,))
    row = fit.summary.iloc[1]
    return replace(
        result,
        effect=float(row["ratio"]),
        effect_kind="geometric_mean_ratio",
        ci_low=float(row["ratio_low"]),
        ci_high=float(row["ratio_high"]),
        more_effects=(probability,),
    )


def _quoted(name: str) -> str:
    return f"`{name}`"


def _probability_bounds(low: np.ndarray, high: np.ndarray, first: np.ndarray) -> Effect:
    """P(first greater) + P(tie) / 2 over all pairs, unknown pairs counted against it and for it."""
    exact = low == high
    a, b = np.flatnonzero(first), np.flatnonzero(~first)
    greater = _pairs_above(low[a], exact[a], high[b], exact[b])
    smaller = _pairs_above(low[b], exact[b], high[a], exact[a])
    values_a, values_b = np.sort(low[a][exact[a]]), np.sort(low[b][exact[b]])
    tied = int(
        (
            np.searchsorted(values_b, values_a, side="right")
            - np.searchsorted(values_b, values_a, side="left")
        ).sum()
    )
    pairs = len(a) * len(b)
    return Effect(
        "probability_greater",
        None,
        (greater + tied / 2) / pairs,
        (pairs - smaller - tied / 2) / pairs,
        "bounds: pairs that the limits leave open counted against it and for it",
    )


def _pairs_above(low: np.ndarray, low_exact: np.ndarray, high: np.ndarray, high_exact: np.ndarray) -> int:
    """Pairs (i, j) with low[i] surely above high[j]."""
    everything, bounds = np.sort(high), np.sort(high[~high_exact])
    strictly = np.searchsorted(everything, low, side="left")
    equal_bounds = np.searchsorted(bounds, low, side="right") - np.searchsorted(bounds, low, side="left")
    at_most = np.searchsorted(everything, low, side="right")
    return int(np.where(low_exact, strictly + equal_bounds, at_most).sum())
