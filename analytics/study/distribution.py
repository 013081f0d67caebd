"""The single values behind one row of a table, and the single courses behind a model, as a figure draws them.

Belongs here: which values there are, what is known of each, and what stands for them where they are too many
to draw one by one. Does not belong here: a summary or a test (`compared.py`), the figure.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analytics.study.analyses import BaselineTable, TableRow
from analytics.study.cohort import Cohort, scaled

MOST_POINTS = 5_000
DENSITY_STEPS = 128
MOST_COURSES = 300  # of a group
VALUE, BELOW, ABOVE, BETWEEN = "value", "below", "above", "between"
POINT_COLUMNS = ("table_id", "variable", "group_id", "known", "lower", "upper", "n")
DENSITY_COLUMNS = ("table_id", "variable", "group_id", "value", "density", "n")


def distribution(cohort: Cohort, table: BaselineTable, row: TableRow) -> dict[str, pd.DataFrame]:
    """``distribution_point`` and ``distribution_density``.

    A point is a patient's value (``known`` "value", ``lower`` equal to ``upper``) or a bound: ``known``
    "below" with the limit in ``upper``, "above" with the limit in ``lower``, "between" with both. Where there
    are more than ``MOST_POINTS``, values are a density on the row's scale, and equal bounds one point with
    their number ``n``. A value that the scale does not have is left out.
    """
    groups = cohort.of(table.groups)[["patient", "group_id"]]
    found = groups.merge(cohort.bounds(row.variable, table.at), on="patient")
    points = _points(found, row.transform)
    no_density = pd.DataFrame(columns=["group_id", "value", "density", "n"])
    if len(points) <= MOST_POINTS:
        return _named(table, row, points.assign(n=1), no_density)
    values = points[points["known"] == VALUE]
    keys = ["group_id", "known", "lower", "upper"]
    bounds = points[points["known"] != VALUE]
    counted = bounds.groupby(keys, dropna=False, sort=False).size().reset_index(name="n")
    parts = [_density(g, part["lower"], row.transform) for g, part in values.groupby("group_id", sort=False)]
    return _named(table, row, counted, pd.concat(parts, ignore_index=True) if parts else no_density)


def first_courses(courses: pd.DataFrame, most: int = MOST_COURSES) -> pd.DataFrame:
    """Of rows of trajectory_patient those of the first courses of each group. Courses are numbered by
    patients' keys, which are hashes, so the first are no choice of anybody's.
    """
    lines = courses[["group_id", "line"]].drop_duplicates().sort_values("line")
    return courses[courses["line"].isin(lines.groupby("group_id").head(most)["line"])]


def _named(
    table: BaselineTable, row: TableRow, points: pd.DataFrame, density: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    keys = {"table_id": table.table_id, "variable": row.variable}
    return {
        "distribution_point": points.assign(**keys)[list(POINT_COLUMNS)],
        "distribution_density": density.assign(**keys)[list(DENSITY_COLUMNS)],
    }


def _points(found: pd.DataFrame, transform: str) -> pd.DataFrame:
    lower, upper = found["lower"].astype(float), found["upper"].astype(float)
    is_open_below = lower.isna() | ((lower <= 0) & (upper > 0))  # nothing measured here is below 0
    known = np.select(
        [lower.notna() & (lower == upper), upper.notna() & is_open_below, lower.notna() & upper.isna()],
        [VALUE, BELOW, ABOVE],
        BETWEEN,
    )
    points = found.assign(known=known, lower=lower.mask(known == BELOW), upper=upper)
    shown = points["upper"].fillna(points["lower"])
    return points[scaled(shown, transform).notna()].reset_index(drop=True)


def _density(group: object, values: pd.Series, transform: str) -> pd.DataFrame:
    """Gaussian kernel, bandwidth by Silverman's rule (1986, eq. 3.31), on the row's scale."""
    from scipy.stats import gaussian_kde

    on_scale = scaled(values, transform).to_numpy()
    if len(np.unique(on_scale)) < 2:
        at, height = on_scale[:1], np.ones(1)
    else:
        at = np.linspace(on_scale.min(), on_scale.max(), DENSITY_STEPS)
        height = gaussian_kde(on_scale, "silverman")(at)
    back = {"log": np.exp, "log1p": np.expm1, "sqrt": np.square}.get(transform, np.asarray)
    return pd.DataFrame({"group_id": group, "value": back(at), "density": height, "n": len(values)})
