"""What the missing values of a late visit could change.

Belongs here: the difference of those seen, by the mixed model, imputed, and with imputed values shifted. Does
not belong here: the imputation itself (`analytics/missing/imputation.py`), tipping points (`tipping.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analytics.status import NOT_ESTIMABLE
from analytics.study.cohort import Cohort
from analytics.study.frames import records
from analytics.study.sensitivity.rows import Answer, coefficient, of_n, others, pair_label, row, sides_changed
from analytics.study.sensitivity.tipping import tipping_shift
from analytics.study.sensitivity_keys import MultipleImputation
from analytics.words.disclosure import known
from analytics.words.formatting import decimals_for, format_number

Results = Mapping[str, pd.DataFrame]


def multiple_imputation(asked: MultipleImputation, cohort: Cohort, results: Results) -> Answer:
    """The last visit's difference: of those seen then, by the mixed model, imputed, imputed and shifted."""
    from analytics.regression.linear_models import linear_model

    first, last = asked.visits[0], asked.visits[-1]
    wide = cohort.of(asked.groups)[["patient", "group_id"]]
    for visit in asked.visits:
        wide = wide.merge(
            cohort.value(asked.variable, visit)[["patient", "value"]].rename(columns={"value": visit}),
            on="patient",
        )
    for name in asked.covariates:
        wide = wide.merge(
            cohort.value(name, first)[["patient", "value"]].rename(columns={"value": name}), on="patient"
        )
    columns = [*asked.visits, *asked.covariates]
    other = others(asked.groups, asked.reference)[0]
    pair = pair_label(cohort, asked.reference, other)
    variable = cohort.study.variables[asked.variable]
    levels = {"group_id": [other, asked.reference]}
    formula = f"`{last}` ~ group_id"
    shared = {
        "subject": asked.variable,
        "group_a": asked.reference,
        "group_b": other,
        "visit": last,
        "estimate_kind": "mean_difference",
    }
    label = f"{variable.label} at {last.replace('_', ' ')}: {pair}"
    n_missing = int(wide[last].isna().sum())
    complete = linear_model(wide, formula, levels)
    rows = [_model_row(label, "seen_then", complete.summary, complete, shared)]
    contrast = next(
        (
            r
            for r in records(results.get("visit_contrast"))
            if (r["response"], r["visit"], r["group_a"], r["group_b"])
            == (asked.variable, last, asked.reference, other)
        ),
        None,
    )
    if contrast:
        rows.append(
            row(
                label,
                "mixed_model",
                **shared,
                df=contrast["df"],
                beside=f"visit_contrast {contrast['model_id']} {last}",
                **{
                    k: contrast[k]
                    for k in (
                        "estimate",
                        "ci_low",
                        "ci_high",
                        "statistic",
                        "p_value",
                        "n",
                        "method",
                        "status",
                        "note",
                    )
                },
            )
        )
    if not n_missing and not wide[columns].isna().any(axis=None):
        return Answer(
            rows, f"Nothing is missing of {variable.label} at these visits: there is nothing to impute.", ""
        )
    lacking = [c for c in columns if wide[c].isna().any()]
    shifts = [0.0, *(s for s in asked.shifts if s)]
    table = _shifted(asked, wide, columns, lacking, formula, levels, *shifts) if n_missing else pd.DataFrame()
    how = (
        f"chained equations (predictive mean matching), {asked.imputations} imputations, seed {asked.seed}; "
        "Rubin's rules"
    )
    for shift in shifts if n_missing else []:
        part = table[table["shift"] == shift]
        variant = "imputed" if shift == 0 else f"imputed_shifted:{shift:+g}"
        found = coefficient(part, f"group_id{asked.reference}")
        status = part["status"].iloc[0]
        rows.append(
            row(
                label,
                variant,
                **shared,
                **found,
                n=len(wide),
                method=how,
                status=status,
                note=part["note"].iloc[0],
            )
        )
    tips = _tipping_points(asked, wide, columns, lacking, formula, levels, rows) if n_missing else {}
    for direction, tip in tips.items():
        if tip is None:
            continue
        shift = tip
        part = _shifted(asked, wide, columns, lacking, formula, levels, shift)
        rows.append(
            row(
                label,
                f"imputed_shifted:{shift:+g}",
                **shared,
                **coefficient(part, f"group_id{asked.reference}"),
                n=len(wide),
                method=how,
                status=part["status"].iloc[0],
                note=f"Tipping point: the smallest shift {direction} at which the verdict at 0.05 changes.",
            )
        )
    ok = [r for r in rows if known(r["estimate"]) and not str(r["note"]).startswith("Tipping point")]
    if not ok:
        why = "no way of treating the missing values gave a difference"
        return Answer(rows, "The difference cannot be estimated.", "", status=NOT_ESTIMABLE, note=why)
    low, high = min(r["estimate"] for r in ok), max(r["estimate"] for r in ok)
    changed = sides_changed(r["p_value"] for r in ok)
    digits, reach = max(decimals_for([low, high]), 1), _reach(wide, asked)
    text = (
        f"{variable.label} at {last.replace('_', ' ')} is missing for {of_n(n_missing, len(wide))}"
        f" patients. In the {len(ok)} ways tried the difference lies between {format_number(low, digits)} and"
        f" {format_number(high, digits)}, "
        + (
            "and whether its interval leaves out 0 depends on the way."
            if changed
            else "and its verdict at 0.05 stays the same."
        )
        + _tipping_words(asked, cohort, tips, reach)
    )
    return Answer(
        rows,
        text,
        (
            "Imputation assumes that, given the values seen, missing ones are like them; the shifts say "
            "how far that may fail for one group. The data cannot tell which shift is true, and a shift "
            "may lead to values that the scale does not have."
        ),
    )


def _shifted(
    asked: MultipleImputation,
    wide: pd.DataFrame,
    columns: list[str],
    lacking: list[str],
    formula: str,
    levels: dict[str, list[str]],
    *shifts: float,
) -> pd.DataFrame:
    """The pooled terms with imputed values of the reference moved by each shift."""
    from analytics.missing.missing_data import delta_sensitivity
    from analytics.regression.linear_models import linear_model

    return delta_sensitivity(
        wide,
        {c: "pmm" for c in lacking},
        lambda frame: linear_model(frame, formula, levels),
        column=asked.visits[-1],
        shifts=shifts,
        seed=asked.seed,
        only_group=("group_id", asked.reference),
        also=["group_id", *(c for c in columns if c not in lacking)],
        m=asked.imputations,
        iterations=asked.iterations,
    )


def _reach(wide: pd.DataFrame, asked: MultipleImputation) -> float:
    """The range of the values seen at the visits: what a shift at most could be asked to be."""
    seen = wide[asked.visits].to_numpy(dtype=float)
    return float(np.nanmax(seen) - np.nanmin(seen))


def _tipping_points(
    asked: MultipleImputation,
    wide: pd.DataFrame,
    columns: list[str],
    lacking: list[str],
    formula: str,
    levels: dict[str, list[str]],
    rows: list[dict[str, Any]],
) -> dict[str, float | None]:
    """The smallest shift up and down, within the range seen, at which the verdict changes; none without
    missing values.
    """
    if wide.loc[wide["group_id"] == asked.reference, asked.visits[-1]].notna().all():
        return {}
    at_zero = next(r["p_value"] for r in rows if r["variant"] == "imputed")
    if not known(at_zero):
        return {}

    def p_value(shift: float) -> float | None:
        part = _shifted(asked, wide, columns, lacking, formula, levels, shift)
        return coefficient(part, f"group_id{asked.reference}")["p_value"]

    reach = _reach(wide, asked)
    return {word: tipping_shift(p_value, reach, sign, at_zero) for word, sign in (("down", -1), ("up", 1))}


def _tipping_words(
    asked: MultipleImputation, cohort: Cohort, tips: dict[str, float | None], reach: float
) -> str:
    if not tips:
        return ""
    label = cohort.study.groups[asked.reference].label
    found = [f"{shift:+g}".replace("-", "−") for shift in tips.values() if shift is not None]
    none = [word for word, shift in tips.items() if shift is None]
    said = (
        f" The verdict of the imputed values changes once those of {label} are shifted by "
        f"{' or '.join(found)}"
        if found
        else ""
    )
    if found and none:
        return f"{said}; no shift {none[0]} within {reach:g}, the range of the values seen, changes it."
    if found:
        return f"{said}."
    return (
        f" No shift of the imputed values of {label} within {reach:g} up or down, the range of the values "
        "seen, changes it."
    )


def _model_row(
    label: str, variant: str, summary: pd.DataFrame, fit: Any, shared: dict[str, Any]
) -> dict[str, Any]:
    return row(
        label,
        variant,
        **shared,
        **coefficient(summary, f"group_id{shared['group_a']}"),
        n=fit.n,
        method=f"{fit.method}: {fit.formula}".replace("`", ""),
        status=fit.status,
        note=fit.note,
    )
