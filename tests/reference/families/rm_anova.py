"""Cases of repeated-measures ANOVA: what `refgen.R` asks of car::Anova and of aov."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analytics.repeated_measures import RepeatedMeasuresAnova, repeated_measures_anova
from analytics.status import OK

Block = dict[str, Any]
R_NAMES = {"(Intercept)": "(Intercept)", "group": "g", "visit": "time", "group:visit": "g:time"}


def compute(case: Block, data: pd.DataFrame, wanted: Block) -> tuple[Block, dict[str, str]]:
    numeric = pd.api.types.is_numeric_dtype(data[case["group"]])
    group = case["group"] if data[case["group"]].nunique() > 1 else None
    result = repeated_measures_anova(
        data,
        case["value"],
        group,
        case["time"],
        case["id"],
        case["time_levels"],
        group_is_numeric=numeric,
    )
    if result.status != OK:
        return {}, dict.fromkeys(wanted, f"{result.status}: {result.note}")
    out = {
        "n_complete": result.n,
        "univariate": _univariate(result),
        "corrections": _corrections(result),
        "mauchly": {t: {"W": result.mauchly_w, "p": result.mauchly_p} for t in _within(result)},
        "pillai": {R_NAMES[r.term]: r.pillai for r in result.multivariate.itertuples()},
        "aov_error_strata_type1": _strata(case, result),
    }
    missing = {key: "not a quantity of this family" for key in wanted.keys() - out.keys()}
    if np.isnan(result.mauchly_w):
        reason = "no sphericity with two visits, or a singular error matrix"
        missing |= {key: reason for key in ("corrections", "mauchly") if key in wanted}
    return out, missing


def _within(result: RepeatedMeasuresAnova) -> list[str]:
    return [R_NAMES[t] for t in result.terms["term"] if "visit" in t]


def _univariate(result: RepeatedMeasuresAnova) -> Block:
    return {
        R_NAMES[r.term]: {
            "SS": r.sum_of_squares,
            "df": r.df_num,
            "SSE": r.error_sum_of_squares,
            "dfE": r.df_den,
            "F": r.statistic,
            "p": r.p_value,
            "partial_eta_sq": r.partial_eta_squared,
        }
        for r in result.terms.itertuples()
    }


def _corrections(result: RepeatedMeasuresAnova) -> Block:
    return {
        R_NAMES[r.term]: {"GG_eps": r.gg_epsilon, "p_GG": r.p_gg, "HF_eps": r.hf_epsilon, "p_HF": r.p_hf}
        for r in result.terms.itertuples()
        if "visit" in r.term
    }


def _strata(case: Block, result: RepeatedMeasuresAnova) -> Block:
    names = {"group": case["group"], "visit": case["time"], "group:visit": f"{case['group']}:{case['time']}"}
    strata = {"patient": f"Error: {case['id']}", "patient:visit": f"Error: {case['id']}:{case['time']}"}
    out = {}
    for stratum, rows in result.strata.groupby("stratum", sort=False):
        out[strata[stratum]] = {
            "terms": [names.get(t, t) for t in rows["term"]],
            "df": rows["df"].tolist(),
            "SS": rows["sum_of_squares"].tolist(),
            "F": rows["statistic"].tolist(),
            "p": rows["p_value"].tolist(),
        }
    return out
