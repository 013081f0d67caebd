"""Tables of counts: Fisher, chi-square, odds ratio, risk difference, single proportions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analytics.groups import fisher_exact, fisher_network, pearson
from analytics.groups.proportions import (
    clopper_pearson_interval,
    risk_difference,
    wald_risk_difference,
    wilson_interval,
)
from tests.reference.families._fisher_test import RFisherTest

REMARK = "without _precise: as fisher.test, its root finder included; with it: the same equations, solved"


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: Any) -> tuple[dict[str, Any], dict[str, str]]:
    table = _counts(case, data)
    two_by_two = table.shape == (2, 2)
    statistic, df, p_value = pearson.pearson(table)
    g, _, g_p = pearson.likelihood_ratio(table)
    computed = {
        "counts": table.tolist(),
        "fisher_p": fisher_exact.two_sided_p(table) if two_by_two else fisher_network.exact_p(table),
        "chisq": {
            "X2": statistic,
            "df": df,
            "p": p_value,
            "expected": pearson.expected_counts(table).tolist(),
        },
        "cramers_v": float(np.sqrt(statistic / (table.sum() * (min(table.shape) - 1)))),
        "g_test": {"G": g, "p": g_p},
    }
    return computed | (_two_by_two(table) if two_by_two else {}), {}


def _counts(case: dict[str, Any], data: pd.DataFrame) -> np.ndarray:
    if "row" not in case:
        return data[case["columns"]].to_numpy(dtype=np.int64)
    known = data.dropna(subset=[case["row"], case["col"]])
    return np.array(
        [
            [
                int(((known[case["row"]] == row) & (known[case["col"]] == column)).sum())
                for column in case["col_levels"]
            ]
            for row in case["row_levels"]
        ]
    )


def _two_by_two(table: np.ndarray) -> dict[str, Any]:
    (a, b), (c, d) = table.tolist()
    n1, n2 = a + b, c + d
    yates, _, yates_p = pearson.pearson(table, yates=True)
    less, greater = fisher_exact.one_sided_p(table)
    odds = fisher_exact.odds_ratio(table, 0.95)
    printed = RFisherTest(table)
    newcombe = risk_difference(a, n1, c, n2, 0.95)
    wald = wald_risk_difference(a, n1, c, n2, 0.95)
    return {
        "chisq_yates": {"X2": yates, "p": yates_p},
        "odds_ratio_conditional_mle": printed.estimate(),
        "odds_ratio_conditional_ci95": printed.interval(),
        "odds_ratio_note": REMARK,
        "odds_ratio_conditional_mle_precise": odds.estimate,
        "odds_ratio_conditional_ci95_precise": [odds.ci_low, odds.ci_high],
        "fisher_p_less": less,
        "fisher_p_greater": greater,
        "fisher_midp_two_sided": fisher_exact.mid_p(table),
        "odds_ratio_sample": a * d / (b * c) if b * c else (np.inf if a * d else None),
        "risk_difference_rows_first_column": {
            "rd": newcombe.estimate,
            "newcombe_ci95": [newcombe.ci_low, newcombe.ci_high],
            "wald_ci95": [wald.ci_low, wald.ci_high],
        },
        "wilson_ci95": [wilson_interval(a, n1, 0.95), wilson_interval(c, n2, 0.95)],
        "clopper_pearson_ci95": [
            clopper_pearson_interval(a, n1, 0.95),
            clopper_pearson_interval(c, n2, 0.95),
        ],
        "mcnemar_p_if_paired": pearson.mcnemar(table)[1],
    }
