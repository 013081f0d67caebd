"""The score test of proportional hazards, by term and for all, as survival::cox.zph since 3.0.

Belongs here: the test of whether a coefficient changes with a function g of time.
Does not belong here: the fit; a plot of scaled residuals.

Add x g(t) to the model for each column x and test the additions by a score test at the fit. With V the
covariance of x in each term's risk set, centred g, and the Schoenfeld residuals r,

    u = sum g r,     information = [[sum V, sum g V], [sum g V, sum g^2 V]],

and a term's statistic is (0, u_T)' information_T^-1 (0, u_T), where information_T keeps all of the model and
the term's additions. (Grambsch and Therneau 1994 approximate V by its mean; this does not.) g is the time,
its logarithm, its rank among all rows, or 1 - S(t-) of the pooled Kaplan-Meier curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from analytics.cox.likelihood import Pieces, TieTerms, per_block
from analytics.status import require_choice
from analytics.survival.kaplan_meier import count_at_risk, product_limit
from analytics.survival.outcome import FloatArray, IntArray, Outcome
from analytics.survival.risk_sets import RiskSets

TRANSFORMS = ("km", "rank", "identity", "log")
GLOBAL = "GLOBAL"


def proportional_hazards_test(
    outcome: Outcome,
    sets: RiskSets,
    terms: TieTerms,
    x: FloatArray,
    part: Pieces,
    groups: Mapping[str, Sequence[int]],
    transform: str = "km",
) -> pd.DataFrame:
    """One row per group of columns (``groups``: name to column positions), and one for GLOBAL.

    Columns: term, statistic, df, p_value.
    """
    require_choice(transform, TRANSFORMS, "transform")
    p = x.shape[1]
    g_of_row = transformed_time(outcome, transform)
    score, information = _extended(sets, terms, x, part, g_of_row)
    rows = [_test(name, list(columns), score, information, p) for name, columns in groups.items()]
    rows.append(_test(GLOBAL, list(range(p)), score, information, p))
    return pd.DataFrame(rows, columns=["term", "statistic", "df", "p_value"])


def transformed_time(outcome: Outcome, transform: str) -> FloatArray:
    """g by row, centred at its mean over events."""
    time = outcome.time
    if transform == "identity":
        g = time
    elif transform == "log":
        g = np.log(np.maximum(time, np.finfo(float).tiny))
    elif transform == "rank":
        g = pd.Series(time).rank().to_numpy()
    else:
        times, events = np.unique(time[outcome.event], return_counts=True)
        survival, _ = product_limit(count_at_risk(outcome, times), events.astype(float))
        g = 1 - np.concatenate([[1.0], survival])[np.searchsorted(times, time, side="left")]
    return g - g[outcome.event].mean()


def _extended(
    sets: RiskSets, terms: TieTerms, x: FloatArray, part: Pieces, g_of_row: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """u (p,) and the information (2p, 2p) of the model with x g(t) added."""
    g_block = np.zeros(sets.n_blocks)
    rows = np.flatnonzero(sets.event_block >= 0)
    g_block[sets.event_block[rows]] = g_of_row[rows]
    g = g_block[terms.block]
    score = g_of_row[rows] @ x[rows] - g @ part.mean
    blocks = [_weighted_covariance(sets, terms, x, part, weight) for weight in (np.ones_like(g), g, g**2)]
    return score, np.block([[blocks[0], blocks[1]], [blocks[1], blocks[2]]])


def _weighted_covariance(
    sets: RiskSets, terms: TieTerms, x: FloatArray, part: Pieces, weight: FloatArray
) -> FloatArray:
    """Sum over terms of weight x the covariance of x at risk."""
    whole, tied = per_block(sets, terms, weight / part.denominator)
    own: IntArray = np.maximum(sets.event_block, 0)
    of_row = part.weight * (sets.sum_over_blocks(whole) - np.where(sets.event_block >= 0, tied[own], 0.0))
    return (x * of_row[:, None]).T @ x - (part.mean * weight[:, None]).T @ part.mean


def _test(
    name: str, columns: list[int], score: FloatArray, information: FloatArray, p: int
) -> dict[str, object]:
    kept = [*range(p), *(p + j for j in columns)]
    part = information[np.ix_(kept, kept)]
    scale = np.sqrt(np.maximum(np.diag(part), np.finfo(float).tiny))
    u = np.concatenate([np.zeros(p), score[columns]]) / scale
    part = part / np.outer(scale, scale)
    if np.linalg.matrix_rank(part, tol=1e-10, hermitian=True) < len(kept):
        return {"term": name, "statistic": np.nan, "df": len(columns), "p_value": np.nan}
    statistic = float(u @ np.linalg.solve(part, u))
    return {
        "term": name,
        "statistic": statistic,
        "df": len(columns),
        "p_value": float(chdtrc(len(columns), statistic)),
    }
