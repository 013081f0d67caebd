"""From a frame and a formula to the rows of a regression: complete cases, design matrix, aliased columns.

Belongs here: what linear, logistic and censored regression read alike. Does not belong here: the
language of formulas and the coding of factors (``mixed_model/formula.py``, ``mixed_model/design.py``),
and any fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.mixed_model.dependence import find_dependence
from analytics.mixed_model.design import Factor, build_design, read_columns
from analytics.mixed_model.formula import Node, deparse, evaluate, names_in, parse_formula
from analytics.status import require_columns

Factors = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class DesignRows:
    """Design matrix (rows x columns) of the rows ``keep`` of the frame, with R's column names.

    ``kept`` are the columns that are not aliased, ``relations`` says by what the others are; ``y`` is
    the response, if the formula has one.
    """

    x: np.ndarray
    names: tuple[str, ...]
    kept: np.ndarray
    relations: tuple[str, ...]
    keep: np.ndarray
    coding: str
    y: np.ndarray | None = None

    @property
    def n(self) -> int:
        return len(self.x)

    @property
    def n_missing(self) -> int:
        return int((~self.keep).sum())

    @property
    def independent(self) -> np.ndarray:
        """The design matrix without aliased columns."""
        return np.ascontiguousarray(self.x[:, self.kept])


def design_rows(
    data: pd.DataFrame, formula: str, factors: Factors | None = None, known: np.ndarray | None = None
) -> DesignRows:
    """Read ``formula`` (R's, treatment contrasts; text is a factor) from the rows that have every variable.

    ``known`` drops further rows. Raises ValueError for an unknown column, infinite values, and a
    formula that cannot be read.
    """
    parsed = parse_formula(formula)
    response = parsed.variables[parsed.response] if parsed.response is not None else None
    asked = list(dict.fromkeys([*parsed.columns(), *(names_in(response) if response is not None else ())]))
    require_columns(data, asked)
    columns, coded = read_columns(data, asked, factors or {}, "treatment")
    keep = np.ones(len(data), dtype=bool) if known is None else known.copy()
    for name, values in columns.items():
        keep &= (values >= 0) if name in coded else ~np.isnan(values)
    rows = {name: values[keep] for name, values in columns.items()}
    design = build_design(parsed, rows, coded, "treatment")
    n = int(keep.sum())
    x = design.matrix(rows, n)
    kept = np.arange(len(design.names))
    relations: tuple[str, ...] = ()
    if n:
        dependence = find_dependence(x, design.names)
        kept, relations = dependence.kept, dependence.relations
    y = None
    if response is not None:
        y = _outcome(response, rows, coded, n)
    return DesignRows(x, design.names, kept, tuple(relations), keep, design.describe_coding(), y)


def _outcome(
    response: Node, rows: Mapping[str, np.ndarray], coded: Mapping[str, Factor], n: int
) -> np.ndarray:
    """The response as numbers; a factor of two levels is 1 at its second."""
    if response.kind != "name" or response.value not in coded:
        return np.broadcast_to(evaluate(response, rows), (n,)).astype(float)
    levels = coded[str(response.value)].levels
    if len(levels) > 2:
        raise ValueError(
            f"formula: {deparse(response)} has {len(levels)} levels; expected a number or two levels"
        )
    return (rows[str(response.value)] > 0).astype(float)
