"""Multiple imputation by chained equations: each incomplete variable drawn given all others, in turn,
many times.

Belongs here: the draws. Does not belong here: pooling (``rubin.py``), patterns and sensitivity
(``missing_data.py``).

One pass imputes every incomplete variable from the current values of the others. After ``iterations``
passes the values are one imputation; ``m`` independent chains make m imputations (van Buuren &
Groothuis-Oudshoorn 2011, J Stat Softw 45(3)). Methods:

- ``pmm``: predictive mean matching, type 1. Coefficients are drawn from their posterior; a missing value
  takes the observed value of one of the ``donors`` patients whose prediction is nearest (Little 1988; donors
  5 by Morris et al. 2014). No imputed value lies outside the observed range.
- ``norm``: Bayesian linear regression (Rubin 1987, p. 167).
- ``logistic``: yes/no or several unordered categories by multinomial logistic regression. Coefficients are
  drawn from their normal approximation; a few weighted extra rows keep separation finite (White, Daniel &
  Royston 2010, CSDA 54:2267-2275).

The same seed and the same rows in the same order give the same values. If the chains of ``trace`` keep
differing, more iterations are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from analytics.comparison import numeric
from analytics.door import takes_any_frame
from analytics.status import NOT_ESTIMABLE, OK, require_choice, require_columns

METHODS = ("pmm", "norm", "logistic")
RIDGE = 1e-5  # of the cross-products' diagonal, as mice: keeps collinear predictors estimable
DONORS = 5


@dataclass(frozen=True)
class Shift:
    """Make imputed values of ``column`` differ from those predicted: by ``by``, everywhere or in one
    group.
    """

    column: str
    by: float
    only_group: tuple[str, Any] | None = None


@dataclass(frozen=True)
class Imputations:
    """``frames``: m completed copies of the data. ``trace``: mean and SD of the imputed values by chain
    and pass.
    """

    frames: tuple[pd.DataFrame, ...]
    trace: pd.DataFrame
    n_missing: dict[str, int]
    seed: int
    method: str
    status: str = OK
    note: str = ""

    @property
    def long(self) -> pd.DataFrame:
        """All imputations in one frame, ``imputation`` 1 to m first."""
        return pd.concat([frame.assign(imputation=i) for i, frame in enumerate(self.frames, start=1)])[
            ["imputation", *self.frames[0].columns]
        ]


@takes_any_frame
def impute(
    data: pd.DataFrame,
    methods: Mapping[str, str],
    *,
    seed: int,
    also: Sequence[str] = (),
    m: int = 20,
    iterations: int = 10,
    donors: int = DONORS,
    shifts: Sequence[Shift] = (),
) -> Imputations:
    """Impute the columns of ``methods``, each by its method, from each other and from the complete
    columns ``also``.

    Columns in neither list stay as they are and predict nothing. A variable without any known value, or whose
    values never vary, cannot be imputed: its values stay missing, and the status says so. Raises ValueError
    for an unknown column or method, a missing value in ``also``, text under ``pmm`` or ``norm``, and a shift
    of a column that is not imputed.
    """
    _check(data, methods, also, m, iterations, donors, shifts)
    variables = {name: _Variable.read(data[name], name, method) for name, method in methods.items()}
    hopeless = [name for name, v in variables.items() if v.missing.any() and v.n_levels < 2]
    incomplete = [name for name, v in variables.items() if v.missing.any() and name not in hopeless]
    fixed = {name: _columns_of(data[name]) for name in also}
    model = _Model(
        variables, incomplete, fixed, {s.column: _where(data, s) for s in shifts}, donors, iterations
    )
    chains = [model.chain(np.random.default_rng([seed, chain])) for chain in range(m)]
    frames = tuple(_completed(data, variables, incomplete, values) for values, _ in chains)
    trace = pd.DataFrame(
        [row | {"chain": i} for i, (_, rows) in enumerate(chains, start=1) for row in rows],
        columns=["chain", "iteration", "variable", "mean", "sd"],
    )
    said = (
        f"{', '.join(hopeless)}: fewer than two different values are known, so there is nothing to impute "
        "from"
    )
    return Imputations(
        frames,
        trace,
        {name: int(v.missing.sum()) for name, v in variables.items()},
        seed,
        f"chained equations, {m} imputations, {iterations} iterations",
        NOT_ESTIMABLE if hopeless else OK,
        said if hopeless else "",
    )


def _check(
    data: pd.DataFrame,
    methods: Mapping[str, str],
    also: Sequence[str],
    m: int,
    iterations: int,
    donors: int,
    shifts: Sequence[Shift],
) -> None:
    require_columns(data, [*methods, *also])
    for name, method in methods.items():
        require_choice(method, METHODS, f"methods[{name}]")
    both = [name for name in also if name in methods]
    if both:
        raise ValueError(
            f"also: {', '.join(both)} is listed under both also and methods; list it under one of them"
        )
    holes = {name: int(data[name].isna().sum()) for name in also if data[name].isna().any()}
    if holes:
        listed = ", ".join(f"{name} ({count})" for name, count in holes.items())
        raise ValueError(f"also: expected complete columns; missing values in {listed}. Give them a method")
    for name, value in (("m", m), ("iterations", iterations), ("donors", donors)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1; found {value}")
    for shift in shifts:
        require_choice(shift.column, tuple(methods), "shifts")


@dataclass(frozen=True)
class _Variable:
    """A variable to impute: floats, or codes of ``levels`` for a category; NaN where missing."""

    values: np.ndarray
    missing: np.ndarray
    method: str
    levels: tuple[Any, ...] = ()

    @classmethod
    def read(cls, column: pd.Series, name: str, method: str) -> _Variable:
        missing = column.isna().to_numpy()
        if method != "logistic":
            return cls(numeric(column, name), missing, method)
        codes, levels = pd.factorize(column, sort=True)
        return cls(np.where(codes < 0, np.nan, codes.astype(float)), missing, method, tuple(levels))

    @property
    def n_levels(self) -> int:
        return len(np.unique(self.values[~self.missing]))

    def predictors(self, values: np.ndarray) -> np.ndarray:
        """As columns of a design: the number, or indicators of all levels but the first."""
        if self.method != "logistic":
            return values[:, None]
        return (values[:, None] == np.arange(1, max(len(self.levels), 2))[None, :]).astype(float)


def _columns_of(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return numeric(column, str(column.name))[:, None]
    codes, levels = pd.factorize(column, sort=True)
    return (codes[:, None] == np.arange(1, len(levels))[None, :]).astype(float)


def _where(data: pd.DataFrame, shift: Shift) -> np.ndarray:
    """The shift of every row."""
    if shift.only_group is None:
        return np.full(len(data), shift.by)
    column, value = shift.only_group
    require_columns(data, [column], "only_group")
    return np.where((data[column] == value).to_numpy(), shift.by, 0.0)


@dataclass(frozen=True)
class _Model:
    variables: Mapping[str, _Variable]
    incomplete: Sequence[str]
    fixed: Mapping[str, np.ndarray]
    shifts: Mapping[str, np.ndarray]
    donors: int
    iterations: int

    def chain(self, random: np.random.Generator) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
        """One imputation: start from random observed values, then pass after pass."""
        values = {name: self._start(name, random) for name in self.variables}
        trace = []
        for iteration in range(1, self.iterations + 1):
            for name in self.incomplete:
                values[name] = self._draw(name, values, random)
                imputed = values[name][self.variables[name].missing]
                sd = float(imputed.std(ddof=1)) if len(imputed) > 1 else np.nan
                trace.append(
                    {"iteration": iteration, "variable": name, "mean": float(imputed.mean()), "sd": sd}
                )
        return values, trace

    def _start(self, name: str, random: np.random.Generator) -> np.ndarray:
        variable = self.variables[name]
        values = variable.values.copy()
        if name in self.incomplete:
            values[variable.missing] = random.choice(values[~variable.missing], int(variable.missing.sum()))
        return values

    def _draw(self, name: str, values: Mapping[str, np.ndarray], random: np.random.Generator) -> np.ndarray:
        variable = self.variables[name]
        others = [
            v.predictors(values[other])
            for other, v in self.variables.items()
            if other != name and not np.isnan(values[other]).any()
        ]
        x = _standardised([*others, *self.fixed.values()], len(variable.values))
        seen, hidden = ~variable.missing, variable.missing
        shift = self.shifts.get(name, np.zeros(len(x)))[hidden]
        drawn = values[name].copy()
        if variable.method == "logistic":
            drawn[hidden] = _draw_category(
                x[seen], variable.values[seen].astype(int), x[hidden], shift, random
            )
        elif variable.method == "norm":
            _, sampled, sigma = _draw_coefficients(x[seen], variable.values[seen], random)
            drawn[hidden] = x[hidden] @ sampled + sigma * random.standard_normal(int(hidden.sum())) + shift
        else:
            fitted, sampled, _ = _draw_coefficients(x[seen], variable.values[seen], random)
            drawn[hidden] = shift + _match(
                x[seen] @ fitted, variable.values[seen], x[hidden] @ sampled, self.donors, random
            )
        return drawn


def _standardised(parts: Sequence[np.ndarray], n: int) -> np.ndarray:
    """Intercept, then every predictor with mean 0 and SD 1; one that does not vary is left out."""
    x = np.concatenate([np.zeros((n, 0)), *parts], axis=1)
    spread = x.std(axis=0)
    x = (x[:, spread > 0] - x[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    return np.column_stack([np.ones(n), x])


def _draw_coefficients(
    x: np.ndarray, y: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Least squares, and one draw from its posterior under the usual flat prior: coefficients and
    residual SD.
    """
    products = x.T @ x
    inverse = np.linalg.inv(products + RIDGE * np.diag(np.diag(products)))
    fitted = inverse @ (x.T @ y)
    residuals = y - x @ fitted
    sigma = float(np.sqrt(residuals @ residuals / random.chisquare(max(len(y) - x.shape[1], 1))))
    root = np.linalg.cholesky((inverse + inverse.T) / 2)
    return fitted, fitted + sigma * (root @ random.standard_normal(x.shape[1])), sigma


def _match(
    of_seen: np.ndarray, seen: np.ndarray, of_hidden: np.ndarray, donors: int, random: np.random.Generator
) -> np.ndarray:
    """For each hidden prediction the value of one of the patients with the nearest predictions, ties at
    random.
    """
    k = min(donors, len(seen))
    shuffled = random.permutation(len(seen))
    distance = np.abs(of_hidden[:, None] - of_seen[shuffled][None, :])
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :k]
    chosen = nearest[np.arange(len(of_hidden)), random.integers(0, k, len(of_hidden))]
    return seen[shuffled][chosen]


def _draw_category(
    x: np.ndarray, y: np.ndarray, x_hidden: np.ndarray, shift: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """One draw of the coefficients of a multinomial logistic regression, then of each hidden category.

    ``shift`` moves the log odds of every category against the first.
    """
    levels = np.unique(y)
    x_more, y_more, weights = _with_extra_rows(x, np.searchsorted(levels, y), len(levels))
    fitted, information = _multinomial(x_more, y_more, weights, len(levels))
    root = np.linalg.cholesky(np.linalg.inv(information))
    sampled = (fitted.ravel() + root @ random.standard_normal(fitted.size)).reshape(fitted.shape)
    scores = np.column_stack([np.zeros(len(x_hidden)), x_hidden @ sampled.T + shift[:, None]])
    chances = special.softmax(scores, axis=1)
    draws = (random.random(len(x_hidden))[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
    return levels[np.minimum(draws, len(levels) - 1)]


def _with_extra_rows(
    x: np.ndarray, y: np.ndarray, n_levels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each predictor one SD up and down, in every category, with a total weight of one row per
    coefficient.
    """
    p = x.shape[1]
    rows = np.repeat(x.mean(axis=0)[None], 2 * max(p - 1, 1), axis=0)
    for j in range(1, p):
        rows[2 * (j - 1), j] += 1.0
        rows[2 * (j - 1) + 1, j] -= 1.0
    extra = np.tile(rows, (n_levels, 1))
    labels = np.repeat(np.arange(n_levels), len(rows))
    weights = np.concatenate([np.ones(len(x)), np.full(len(extra), p / len(extra))])
    return np.concatenate([x, extra]), np.concatenate([y, labels]), weights


def _multinomial(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, n_levels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted maximum likelihood by Newton: coefficients (levels - 1 x p) and information."""
    p, k = x.shape[1], n_levels - 1
    coefficients = np.zeros((k, p))
    target = (y[:, None] == np.arange(1, n_levels)[None, :]).astype(float)
    for _ in range(50):
        scores = np.column_stack([np.zeros(len(x)), x @ coefficients.T])
        chances = special.softmax(scores, axis=1)[:, 1:]
        gradient = ((target - chances) * weights[:, None]).T @ x
        information = np.empty((k * p, k * p))
        for a in range(k):
            for b in range(k):
                w = weights * chances[:, a] * ((a == b) - chances[:, b])
                information[a * p : (a + 1) * p, b * p : (b + 1) * p] = (x * w[:, None]).T @ x
        information += RIDGE * np.eye(k * p)
        step = np.linalg.solve(information, gradient.ravel()).reshape(k, p)
        coefficients = coefficients + step / max(1.0, float(np.abs(step).max()) / 5)
        if float(np.abs(step).max()) < 1e-8:
            break
    return coefficients, information


def _completed(
    data: pd.DataFrame,
    variables: Mapping[str, _Variable],
    incomplete: Sequence[str],
    values: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    frame = data.copy()
    for name in incomplete:
        variable = variables[name]
        drawn = values[name][variable.missing]
        if variable.method == "logistic":
            column = frame[name].copy()
            column[variable.missing] = [variable.levels[int(code)] for code in drawn]
        else:
            column = pd.Series(
                np.where(variable.missing, values[name], variable.values), index=data.index, name=name
            )
        frame[name] = column
    return frame
