"""Residuals, predicted random effects, and what they say about the fit.

Belongs here: data for diagnostics, one row per visit or patient. Does not belong here: plots, and tests of
terms.

Predicted effects are the best linear unbiased predictions b_i = D Z_i' V_i^-1 (y_i - X_i beta) (Henderson
1975); their standard errors are those of b_i minus the true effect, with the uncertainty of beta (Laird and
Ware 1982, eq. 3.4). Residuals:

    residual             y - X beta - Z b, as nlme's "response" at the innermost level
    pearson              residual / sigma
    normalized           L^-1 residual / sigma with R = L L': nlme's "normalized"
    residual_marginal    y - X beta
    normalized_marginal  L^-1 (y - X beta) with V = L L': independent standard normal if the model is right
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analytics.mixed_model.fitted import Fitted
from analytics.mixed_model.record import MixedModelEstimates, require_fitted

_CHUNK = 4096


@dataclass(frozen=True)
class _Batch:
    """Patients with the same number of visits: which, their rows, and Z (B, n, q), R and V (B, n, n)."""

    patients: np.ndarray
    index: np.ndarray
    z: np.ndarray
    correlation: np.ndarray
    covariance: np.ndarray


def random_effects(fit: MixedModelEstimates) -> pd.DataFrame:
    """One row per patient: patient, then each effect and its standard error."""
    fitted = require_fitted(fit, "random_effects")
    d = fit.random_covariance.to_numpy()
    inverse = fitted.kept_covariance()
    x = fitted.x[:, fitted.dependence.kept]
    marginal = fitted.y - x @ fitted.kept_beta()
    names = list(fit.random_covariance.columns)
    effects = np.empty((fitted.rows.n_patients, len(names)))
    errors = np.empty_like(effects)
    for batch in _batches(fit, fitted):
        weights = np.linalg.solve(batch.covariance, batch.z @ d)  # V^-1 Z D
        effects[batch.patients] = np.einsum("bnq,bn->bq", weights, marginal[batch.index])
        explained = np.einsum("bnq,bnp->bqp", weights, x[batch.index])
        variance = (
            d
            - np.einsum("bnq,bnr->bqr", weights, batch.z @ d)
            + explained @ inverse @ explained.transpose(0, 2, 1)
        )
        errors[batch.patients] = np.sqrt(np.maximum(np.diagonal(variance, axis1=1, axis2=2), 0.0))
    table = pd.DataFrame({"patient": fitted.patients})
    for k, name in enumerate(names):
        table[name] = effects[:, k]
        table[f"{name} std_error"] = errors[:, k]
    return table


def residuals(fit: MixedModelEstimates) -> pd.DataFrame:
    """One row per row used, in the order of the data: row (its position), patient, fitted values and
    residuals.
    """
    fitted = require_fitted(fit, "residuals")
    d = fit.random_covariance.to_numpy()
    predicted = fitted.x[:, fitted.dependence.kept] @ fitted.kept_beta()
    marginal = fitted.y - predicted
    columns = {name: np.empty(len(marginal)) for name in ("residual", "normalized", "normalized_marginal")}
    for batch in _batches(fit, fitted):
        r = marginal[batch.index][:, :, None]
        inner = r - batch.z @ (d @ batch.z.transpose(0, 2, 1) @ np.linalg.solve(batch.covariance, r))
        scaled = np.linalg.solve(np.linalg.cholesky(batch.correlation), inner) / fit.sigma
        whole = np.linalg.solve(np.linalg.cholesky(batch.covariance), r)
        for name, values in zip(columns, (inner, scaled, whole)):
            columns[name][batch.index] = values[:, :, 0]
    number = np.repeat(np.arange(fitted.rows.n_patients), fitted.rows.counts)
    table = pd.DataFrame(
        {
            "row": fitted.positions,
            "patient": fitted.patients[number],
            "fitted_marginal": predicted,
            "fitted": fitted.y - columns["residual"],
            "residual_marginal": marginal,
            "residual": columns["residual"],
            "pearson": columns["residual"] / fit.sigma,
            "normalized": columns["normalized"],
            "normalized_marginal": columns["normalized_marginal"],
        }
    )
    return table.sort_values("row", ignore_index=True)


def normal_quantiles(values: pd.Series) -> pd.DataFrame:
    """Data of a normal quantile plot, as R's qqnorm: theoretical and sample quantiles, ascending."""
    sample = np.sort(values.dropna().to_numpy(dtype=float))
    n = len(sample)
    offset = 0.375 if n <= 10 else 0.5
    probability = (np.arange(1, n + 1) - offset) / (n + 1 - 2 * offset)
    return pd.DataFrame({"theoretical": stats.norm.ppf(probability), "sample": sample})


def outlying_visits(fit: MixedModelEstimates, level: float = 0.05) -> pd.DataFrame:
    """Rows of ``residuals`` whose normalized residual is beyond the Bonferroni limit of a normal sample of
    this size.
    """
    table = residuals(fit)
    limit = float(stats.norm.isf(level / (2.0 * len(table))))
    return table[table["normalized"].abs() > limit].assign(limit=limit).reset_index(drop=True)


def outlying_patients(fit: MixedModelEstimates, level: float = 0.05) -> pd.DataFrame:
    """Patients whose visits together are unlikely: patient, n, distance r'V^-1 r, p_value (Bonferroni)."""
    table = residuals(fit)
    squared = table.assign(square=table["normalized_marginal"] ** 2).groupby("patient", sort=False)["square"]
    distance = squared.agg(["size", "sum"]).reset_index()
    distance.columns = ["patient", "n", "distance"]
    distance["p_value"] = stats.chi2.sf(distance["distance"], distance["n"])
    return distance[distance["p_value"] < level / len(distance)].sort_values("p_value", ignore_index=True)


def _batches(fit: MixedModelEstimates, fitted: Fitted) -> Iterator[_Batch]:
    d = fit.random_covariance.to_numpy()
    for n in np.unique(fitted.rows.counts):
        chosen = np.flatnonzero(fitted.rows.counts == n)
        for patients in np.array_split(chosen, max(1, len(chosen) // _CHUNK)):
            index = fitted.rows.starts[patients, None] + np.arange(n)
            z = fitted.z[index]
            if fitted.time is None or fit.phi is None:  # no serial correlation has neither
                r = np.broadcast_to(np.eye(n), (len(patients), n, n))
            else:
                t = fitted.time[index]
                r = np.power(fit.phi, np.abs(t[:, :, None] - t[:, None, :]))
            yield _Batch(patients, index, z, r, z @ d @ z.transpose(0, 2, 1) + fit.sigma**2 * r)
