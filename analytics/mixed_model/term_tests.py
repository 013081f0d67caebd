"""Tests of terms: type III Wald chi-square.

Belongs here: hypotheses about fixed effects and their tests. Does not belong here: estimation (search.py).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analytics.mixed_model.result import MixedModelFit, term_rows
from analytics.status import NOT_ESTIMABLE, require_choice

TESTS = ("wald_chi_square",)


def test_terms(fit: MixedModelFit, test: str) -> pd.DataFrame:
    require_choice(test, TESTS, "test")
    rows = []
    for label, columns in term_rows(fit):
        row = dict(response=fit.formula.response, term=label, test=test, statistic=np.nan, df_num=np.nan, df_den=np.nan,
                   p_value=np.nan, status=fit.status)
        if len(columns):
            beta = fit.coefficients.to_numpy()[columns]
            c = fit.covariance.to_numpy()[np.ix_(columns, columns)]
            row["df_num"] = len(columns)
            if np.isnan(beta).any():
                row["status"] = NOT_ESTIMABLE
            else:
                row["statistic"] = float(beta @ np.linalg.solve(c, beta))
                row["p_value"] = float(stats.chi2.sf(row["statistic"], len(columns)))
        rows.append(row)
    return pd.DataFrame(rows)


test_terms.__test__ = False
