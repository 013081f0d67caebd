"""The estimates of a Cox model, as fit.py makes them and tables.py reads them.

Belongs here: the record and what follows from it alone. Does not belong here: fitting, tables, diagnostics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.cox.data import CoxData
from analytics.survival.outcome import FloatArray, IntArray


@dataclass(frozen=True)
class CoxEstimates:
    """Estimates by column of the design, NaN where ``aliased`` (column to the columns that determine it).

    ``coefficients`` are the last iterate; those of ``monotone`` columns run to infinity, and ``terms`` shows
    their limit. ``covariance`` is the inverse information, ``robust`` the cluster-robust covariance.
    ``loglik_null`` and ``loglik`` are log partial likelihoods; score statistics are taken at zero.
    """

    names: list[str]
    coefficients: FloatArray
    covariance: FloatArray
    robust: FloatArray | None
    loglik_null: float
    loglik: float
    score_statistic: float
    robust_score_statistic: float
    aliased: dict[str, list[str]]
    monotone: list[str]
    ties: str
    confidence: float
    iterations: int
    n: int
    n_events: int
    n_missing: int
    method: str
    status: str
    note: str
    data: CoxData | None

    @property
    def std_error(self) -> FloatArray:
        """The standard errors in use: robust where there are clusters."""
        return np.sqrt(np.diag(self.covariance if self.robust is None else self.robust))

    @property
    def estimated(self) -> IntArray:
        """Positions of the columns that have an estimate."""
        return np.flatnonzero(~np.isnan(self.coefficients))
