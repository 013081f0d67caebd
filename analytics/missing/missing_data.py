"""What is missing and what it may change: patterns, multiple imputation, and how far a conclusion bends.

Belongs here: the pattern table, and the sensitivity analysis over assumptions about the missing values.
Does not belong here: the imputation itself (``imputation.py``), pooling (``rubin.py``), models.

Multiple imputation assumes that, given what was seen, missing values are like seen ones (missing at random).
The data cannot show whether this holds. ``delta_sensitivity`` says how different the missing values would
have to be before the answer changes (Rubin 1977; van Buuren 2018, Flexible Imputation of Missing Data,
section 9.2; Cro et al. 2020, Stat Med 39:2815-2842).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analytics.comparison import CONFIDENCE
from analytics.door import takes_any_frame
from analytics.missing.imputation import Shift, impute
from analytics.missing.rubin import FittedModel, pool_fits
from analytics.status import OK, require_columns


@dataclass(frozen=True)
class MissingPatterns:
    """Which values are missing together.

    ``patterns``: one row per pattern, a boolean column per variable (True is known), ``n``,
    ``percent``, ``n_missing`` (variables missing); the complete pattern first, then the most frequent.
    ``by_variable``: one row per variable (and group): ``n``, ``n_missing``, ``percent_missing``.
    """

    patterns: pd.DataFrame
    by_variable: pd.DataFrame
    n: int
    n_complete: int
    is_monotone: bool


@takes_any_frame
def missing_patterns(data: pd.DataFrame, columns: Sequence[str], group: str | None = None) -> MissingPatterns:
    """The patterns of known and missing values of ``columns`` over the rows of ``data``.

    Monotone: ordered by how often they are known, a variable is known wherever a later one is (patients
    who leave do not come back).
    """
    require_columns(data, [*columns, *([group] if group else [])])
    known = data[list(columns)].notna()
    n = len(known)
    counts = known.groupby(list(columns), sort=False).size().rename("n").reset_index()
    counts["percent"] = 100 * counts["n"] / n if n else np.nan
    counts["n_missing"] = len(columns) - counts[list(columns)].sum(axis=1).astype(int)
    counts["is_incomplete"] = counts["n_missing"] > 0
    counts = counts.sort_values(
        ["is_incomplete", "n", "n_missing"], ascending=[True, False, True], kind="stable", ignore_index=True
    ).drop(columns="is_incomplete")
    n_complete = int(known.all(axis=1).sum())
    return MissingPatterns(
        counts, _by_variable(data, known, columns, group), n, n_complete, _is_monotone(known)
    )


def _by_variable(
    data: pd.DataFrame, known: pd.DataFrame, columns: Sequence[str], group: str | None
) -> pd.DataFrame:
    rows = []
    labels = [None] if group is None else list(pd.unique(data[group].dropna()))
    for column in columns:
        for label in labels:
            inside = known[column] if label is None else known.loc[data[group] == label, column]
            n, n_missing = len(inside), int((~inside).sum())
            rows.append(
                {
                    "variable": column,
                    "group_id": "all" if label is None else label,
                    "n": n,
                    "n_missing": n_missing,
                    "percent_missing": 100 * n_missing / n if n else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _is_monotone(known: pd.DataFrame) -> bool:
    order = known.sum().sort_values(ascending=False, kind="stable").index
    values = known[order].to_numpy(dtype=int)
    return bool((np.diff(values, axis=1) <= 0).all())


@takes_any_frame
def delta_sensitivity(
    data: pd.DataFrame,
    methods: Mapping[str, str],
    fit: Callable[[pd.DataFrame], FittedModel],
    *,
    column: str,
    shifts: Sequence[float],
    seed: int,
    only_group: tuple[str, Any] | None = None,
    also: Sequence[str] = (),
    m: int = 20,
    iterations: int = 10,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """The pooled answer of ``fit`` for each shift that is added to the imputed values of ``column``.

    ``fit`` takes a completed frame and returns a model such as ``linear_model``'s. ``only_group`` (column,
    value) shifts the imputed values of that group alone. Every shift uses the same random numbers, so rows
    differ only by the shift. A shift of 0 is the missing-at-random analysis. Returns one row per shift and
    term: ``shift``, the columns of ``Pooled.summary``, ``conclusion_changes`` (the interval lies on the other
    side of 0, or now holds it, or no longer does, against shift 0 or else the first), ``status``, ``note``. A
    yes/no column shifts on the log-odds scale.
    """
    parts = []
    for shift in shifts:
        moved = (Shift(column, float(shift), only_group),)
        imputed = impute(data, methods, also=also, m=m, iterations=iterations, seed=seed, shifts=moved)
        pooled = pool_fits([fit(frame) for frame in imputed.frames], confidence)
        status = pooled.status if imputed.status == OK else imputed.status
        note = "; ".join(filter(None, (imputed.note, pooled.note)))
        parts.append(pooled.summary.assign(shift=float(shift), status=status, note=note))
    table = pd.concat(parts, ignore_index=True)
    return _with_changes(table, 0.0 if 0.0 in [float(shift) for shift in shifts] else float(shifts[0]))


def _with_changes(table: pd.DataFrame, reference: float) -> pd.DataFrame:
    conclusion = np.select([table["ci_low"] > 0, table["ci_high"] < 0], [1, -1], 0)
    at_reference = dict(
        zip(table["term"][table["shift"] == reference], conclusion[table["shift"] == reference])
    )
    changes = conclusion != table["term"].map(at_reference)
    numbers = [column for column in table.columns if column not in ("shift", "status", "note")]
    return table.assign(conclusion_changes=changes)[
        ["shift", *numbers, "conclusion_changes", "status", "note"]
    ]
