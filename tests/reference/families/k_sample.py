"""Several samples of measurements: Kruskal-Wallis, analysis of variance, all pairs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from analytics.groups.k_groups import anova, kruskal_wallis, pairwise, welch_anova
from analytics.groups.two_groups import mann_whitney
from analytics.multiplicity import adjust_p_values


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: Any) -> tuple[dict[str, Any], dict[str, str]]:
    groups = tuple(case["levels"])
    asked = {"value": case["value"], "group": case["group"], "groups": groups}
    rank, means, welch = kruskal_wallis(data, **asked), anova(data, **asked), welch_anova(data, **asked)
    pairs = pairwise(data, mann_whitney, **asked, method="asymptotic")
    p = pairs["p_value"]
    computed = {
        "kruskal": {"H": rank.statistic, "df": rank.df, "p": rank.p_value},
        "anova": {"F": means.statistic, "df": [means.df, means.df_den], "p": means.p_value},
        "welch_anova": {"F": welch.statistic, "df": [welch.df, welch.df_den], "p": welch.p_value},
        "pairwise_mann_whitney_continuity": [
            {"pair": list(pair), "p": raw, "p_holm": holm, "p_BH": bh}
            for pair, raw, holm, bh in zip(
                combinations(groups, 2), p, adjust_p_values(p, "holm"), adjust_p_values(p, "BH"), strict=True
            )
        ],
    }
    return computed, {}
