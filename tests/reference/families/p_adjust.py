"""Adjusted p values over everything and within families."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analytics.multiplicity import METHODS, adjust_p_values, adjust_within_families


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: Any) -> tuple[dict[str, Any], dict[str, str]]:
    computed: dict[str, Any] = {method: adjust_p_values(data["p"], method) for method in METHODS}
    if "family" in data:
        within = {
            method: pd.Series(adjust_within_families(data["p"], data["family"], method))
            for method in ("holm", "BH")
        }
        computed["by_family"] = {
            str(family): {
                method: values[data["family"] == family].tolist() for method, values in within.items()
            }
            for family in data["family"].dropna().unique()
        }
    return computed, {}
