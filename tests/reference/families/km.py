"""Kaplan-Meier, log-rank, restricted means: every quantity that refgen.R's f_km asks of survival and coin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr

from analytics.survival.kaplan_meier import KaplanMeier, kaplan_meier
from analytics.survival.log_rank import LogRank, log_rank, log_rank_trend
from analytics.survival.permutation import permutation_log_rank
from analytics.survival.rmst import restricted_mean

# coin counts arrangements whose standardised statistic is short of the observed one by up to 10 x this
COIN_TOLERANCE = float(np.sqrt(np.finfo(float).eps))


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: dict[str, Any]) -> tuple[dict, dict[str, str]]:
    time, event, group = case["time"], case["event"], case["group"]
    levels = _as_column(case["levels"], data[group])
    data = data.dropna(subset=[time, event, group])
    data = data.assign(**{event: data[event] - (1 if data[event].max() == 2 else 0)})  # Surv: 2 is dead
    names = dict(zip(map(str, case["levels"]), levels))
    curves = {
        ci: kaplan_meier(data, time, event, group, levels, times=case["at"], ci=ci)
        for ci in ("log-log", "log", "plain")
    }
    means = restricted_mean(data, time, event, float(case["tau"]), group, levels, pairs="first")
    test = log_rank(data, time, event, group, levels, pairwise=True)
    peto = log_rank(data, time, event, group, levels, weights="fleming_harrington", rho=1.0, gamma=0.0)
    benjamini = log_rank(data, time, event, group, levels, pairwise=True, adjust="BH")
    counts = test.counts.set_index("group_id")
    computed: dict[str, Any] = {
        "n": {name: counts.loc[level, "n"] for name, level in names.items()},
        "groups": {name: _group(curves, means.summary, level, case["tau"]) for name, level in names.items()},
        "logrank": _overall(test, len(levels))
        | {"observed": counts["observed"].to_numpy(), "expected": counts["expected"].to_numpy()},
        "peto_rho1": {key: _overall(peto, len(levels))[key] for key in ("chisq", "p")},
        "pairwise_logrank": _pairs(test, benjamini),
        "rmst_difference_vs_first": _mean_differences(means.differences),
    }
    if "trend_score_test" in wanted:
        trend = log_rank_trend(data, time, event, group, levels, ties="breslow")
        computed["trend_score_test"] = {"chisq": trend.statistic, "p": trend.p_value}
    if "coin_asymptotic_logrank_p" in wanted:
        shown = data[data[group].isin(levels)]
        exact = permutation_log_rank(
            shown[time].to_numpy(float),
            shown[event].to_numpy() == 1,
            (shown[group] == levels[0]).to_numpy(),
            rounding=5 * COIN_TOLERANCE,
        )
        computed["exact_permutation_logrank_p"] = exact.p_value
        computed["coin_asymptotic_logrank_p"] = exact.p_asymptotic
    return computed, {}


def _as_column(levels: list[Any], column: pd.Series) -> list[Any]:
    if pd.api.types.is_bool_dtype(column):
        return [str(level).upper() == "TRUE" for level in levels]
    return [float(level) for level in levels] if pd.api.types.is_numeric_dtype(column) else list(levels)


def _group(curves: dict[str, KaplanMeier], means: pd.DataFrame, level: Any, tau: float) -> dict[str, Any]:
    first = curves["log-log"]
    curve = first.curve[first.curve["group_id"] == level]
    answer: dict[str, Any] = {
        "time": curve["time"].to_numpy(),
        "n_risk": curve["at_risk"].to_numpy(),
        "n_event": curve["events"].to_numpy(),
        "surv": curve["survival"].to_numpy(),
        "std_err_surv": curve["std_error"].to_numpy(),
        "cumhaz_na": curve["cumulative_hazard"].to_numpy(),
        "std_chaz": curve["cumulative_hazard_std_error"].to_numpy(),
    }
    for ci, fit in curves.items():
        drawn = fit.curve[fit.curve["group_id"] == level]
        quantiles = fit.quantiles()
        quantiles = quantiles[quantiles["group_id"] == level]
        answer |= {
            f"lower_{ci}": drawn["ci_low"].to_numpy(),
            f"upper_{ci}": drawn["ci_high"].to_numpy(),
            f"q25_50_75_{ci}": {
                "est": quantiles["time"].to_numpy(),
                "lower": quantiles["ci_low"].to_numpy(),
                "upper": quantiles["ci_high"].to_numpy(),
            },
        }
    mean = means[means["group_id"] == level].iloc[0]
    answer["rmst"] = {"tau": tau, "rmst": mean["rmst"], "se": mean["std_error"]}
    table = first.risk_table[first.risk_table["group_id"] == level].sort_values("time")
    answer["at"] = {
        "times": table["time"].to_numpy(),
        "surv": table["survival"].to_numpy(),
        "lower": table["ci_low"].to_numpy(),
        "upper": table["ci_high"].to_numpy(),
        "n_risk": table["at_risk"].to_numpy(),
    }
    return answer


def _overall(test: LogRank, n_groups: int) -> dict[str, float]:
    """survdiff leaves groups that expect no event out; refgen.R takes p from all of them."""
    statistic = test.summary.iloc[0]["statistic"]
    return {"chisq": statistic, "df": n_groups - 1, "p": chdtrc(n_groups - 1, statistic)}


def _pairs(holm: LogRank, benjamini: LogRank) -> list[dict[str, Any]]:
    rows = holm.summary[holm.summary["scope"] == "pairwise"]
    adjusted = benjamini.summary.loc[rows.index, "p_adjusted"]
    return [
        {
            "pair": [str(row["group_a"]), str(row["group_b"])],
            "chisq": row["statistic"],
            "p": row["p_value"],
            "p_holm": row["p_adjusted"],
            "p_BH": p,
        }
        for (_, row), p in zip(rows.iterrows(), adjusted)
    ]


def _mean_differences(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "group": str(row["group_a"]),
            "diff": row["difference"],
            "se": row["std_error"],
            "ci95": [row["ci_low"], row["ci_high"]],
            "p": _normal_p(row["difference"], row["std_error"]),
        }
        for _, row in table.iterrows()
    ]


def _normal_p(difference: float, error: float) -> float:
    """2 pnorm(-|d/s|) as R computes it: 0 where there is a difference and no error at all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(2 * ndtr(-abs(np.float64(difference) / error)))
