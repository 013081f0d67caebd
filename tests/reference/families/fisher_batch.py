"""Fisher's exact test of many 2 x 2 tables given as counts: a of n1 against b of n2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analytics.groups.fisher_exact import odds_ratio, two_sided_p
from tests.reference.families._fisher_test import RFisherTest


def compute(
    case: dict[str, Any], data: pd.DataFrame, wanted: Any
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    return [_row(row) for row in data.to_dict("records")], {}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    # refgen.R fills its matrix by columns: a first column per group
    table = np.array([[row["a"], row["b"]], [row["n1"] - row["a"], row["n2"] - row["b"]]], dtype=np.int64)
    odds, printed = odds_ratio(table, 0.95), RFisherTest(table)
    return {name: row[name] for name in ("table", "item", "comparison")} | {
        "p": two_sided_p(table),
        "or": printed.estimate(),
        "ci95": printed.interval(),
        "or_precise": odds.estimate,
        "ci95_precise": [odds.ci_low, odds.ci_high],
    }
