"""Responses on which a mixed model's tests come out as wanted, as near as they can be to what one would
expect.

Belongs here: the equations that say so, and the search that meets them. Does not belong here: fitting
(``analytics.mixed_model`` does, and says whether it worked), what the rows mean, what a course should look
like (``wishes.py``).

With V = V(theta), C = (X'V^-1 X)^-1, B = C X'V^-1 and P = V^-1 - V^-1 X B, the REML score of theta_k vanishes
where

    y' P V_k P y = tr(P V_k)                                   (five equations: D11, D12, D22, sigma^2, phi)

and the Wald statistic of the coefficients in set T is

    (B y)_T' C_TT^-1 (B y)_T                                   (four equations).

Source: Harville (1977), JASA 72:320, for the score. The covariance parameters theta are unknowns beside the
responses: which values they take is the courses' affair, and only few of them go with courses that a patient
could have. The search is Levenberg and Marquardt's on a sum of squares: distances from the start, wishes that
are not met, and the nine equations under a weight that grows; last, the shortest steps that meet the
equations alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

TERMS = ("intercept", "group", "time", "group_by_time")
WEIGHTS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)  # of the equations, in turn
ITERATIONS = 80  # under each weight
PATIENCE = 6
NEAR = np.array(
    [0.3, 0.5, 0.3, 0.3, 0.2]
)  # a transformed parameter lies so far from its begin at the price of 1
FURTHEST = np.array([20.0, 20.0, 4.0, 20.0, 1.3])  # of a transformed parameter: correlations stay inside


@dataclass(frozen=True)
class Covariance:
    """Random intercept and slope (per month), residual SD and AR(1) correlation over the visit index."""

    sd_intercept: float
    sd_slope: float
    correlation: float
    sd_residual: float
    phi: float

    def free(self) -> np.ndarray:
        """The parameters on scales without bounds: logarithms of SDs, inverse hyperbolic tangents of
        correlations.
        """
        return np.array(
            [
                np.log(self.sd_intercept),
                np.log(self.sd_slope),
                np.arctanh(self.correlation),
                np.log(self.sd_residual),
                np.arctanh(self.phi),
            ]
        )

    @classmethod
    def of_free(cls, theta: np.ndarray) -> Covariance:
        return cls(np.exp(theta[0]), np.exp(theta[1]), np.tanh(theta[2]), np.exp(theta[3]), np.tanh(theta[4]))


@dataclass(frozen=True)
class Rows:
    """One row per patient and visit: codes of patient and group, month and index of the visit."""

    patient: np.ndarray
    group: np.ndarray
    month: np.ndarray
    index: np.ndarray

    def design(self) -> np.ndarray:
        """Sum contrasts of two groups and of the visits, and their interaction."""
        n_visits = int(self.index.max()) + 1
        visit = np.vstack([np.eye(n_visits - 1), -np.ones(n_visits - 1)])[self.index]
        group = np.where(self.group == 0, 1.0, -1.0)[:, None]
        return np.hstack([np.ones((len(self.group), 1)), group, visit, group * visit])

    def terms(self) -> list[np.ndarray]:
        """Columns of the intercept, group, time and group by time."""
        n = int(self.index.max())
        return [np.array([0]), np.array([1]), np.arange(2, 2 + n), np.arange(2 + n, 2 + 2 * n)]


@dataclass(frozen=True)
class _Matrices:
    """What the equations need at one theta: P, the derivatives of V, C and B."""

    p: np.ndarray
    derivatives: list[np.ndarray]
    c: np.ndarray
    b: np.ndarray


class Equations:
    """The nine equations in responses and covariance parameters; ``statistics`` are the wanted ones by term.

    A score is divided by sqrt(n tr(P V_k P V_k)) at ``begin``: its own trace, tr(P V_k), can vanish for D12.
    """

    def __init__(self, rows: Rows, statistics: dict[str, float], begin: Covariance) -> None:
        self._rows, self._x, self._terms = rows, rows.design(), rows.terms()
        self._statistics = [statistics[name] for name in TERMS]
        self._patients = [np.flatnonzero(rows.patient == code) for code in range(int(rows.patient.max()) + 1)]
        at = self._matrices(begin.free())
        products = [at.p @ d for d in at.derivatives]
        self._scales = [float(np.sqrt(len(rows.patient) * (pd * pd.T).sum())) for pd in products]

    def misfit(self, y: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Misfit of each equation, relative to what it compares."""
        return self._misfit(y, self._matrices(theta))

    def with_slopes(self, y: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Misfits, their slopes by ``y``, and by ``theta`` (central differences)."""
        at = self._matrices(theta)
        step = 1e-5
        by_theta = [
            (self.misfit(y, theta + d) - self.misfit(y, theta - d)) / (2 * step)
            for d in step * np.eye(len(theta))
        ]
        return self._misfit(y, at), self._by_response(y, at), np.array(by_theta).T

    def statistic_forms(self, theta: np.ndarray) -> list[np.ndarray]:
        """The quadratic forms of the four Wald statistics at fixed ``theta``."""
        at = self._matrices(theta)
        return [
            at.b[columns].T @ np.linalg.solve(at.c[np.ix_(columns, columns)], at.b[columns])
            for columns in self._terms
        ]

    def _misfit(self, y: np.ndarray, at: _Matrices) -> np.ndarray:
        r, coefficients = at.p @ y, at.b @ y
        scores = [
            (r @ d @ r - float((at.p * d).sum())) / scale
            for d, scale in zip(at.derivatives, self._scales, strict=True)
        ]
        walds = [
            coefficients[columns]
            @ np.linalg.solve(at.c[np.ix_(columns, columns)], coefficients[columns])
            / value
            - 1.0
            for columns, value in zip(self._terms, self._statistics, strict=True)
        ]
        return np.array(scores + walds)

    def _by_response(self, y: np.ndarray, at: _Matrices) -> np.ndarray:
        r, coefficients = at.p @ y, at.b @ y
        scores = [
            2.0 * (at.p @ (d @ r)) / scale for d, scale in zip(at.derivatives, self._scales, strict=True)
        ]
        walds = [
            2.0
            * at.b[columns].T
            @ np.linalg.solve(at.c[np.ix_(columns, columns)], coefficients[columns])
            / value
            for columns, value in zip(self._terms, self._statistics, strict=True)
        ]
        return np.array(scores + walds)

    def _matrices(self, theta: np.ndarray) -> _Matrices:
        v, derivatives = _covariance_matrices(self._rows, Covariance.of_free(theta))
        inverse = self._inverse(v)
        of_x = inverse @ self._x
        c = np.linalg.inv(self._x.T @ of_x)
        b = c @ of_x.T
        return _Matrices(inverse - of_x @ b, derivatives, c, b)

    def _inverse(self, v: np.ndarray) -> np.ndarray:
        """Patient by patient; patients with the same visits share one."""
        inverse, known = np.zeros_like(v), {}
        for rows in self._patients:
            visits = tuple(self._rows.index[rows])
            if visits not in known:
                known[visits] = np.linalg.inv(v[np.ix_(rows, rows)])
            inverse[np.ix_(rows, rows)] = known[visits]
        return inverse


class Wish(Protocol):
    """What courses should keep to, as residuals that are 0 where they do."""

    def __call__(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (k), and their slopes by the responses (k x n)."""
        ...


@dataclass(frozen=True)
class Course:
    """Where a search starts, and how far each response may go.

    ``free`` are the rows that may change; ``spread`` says how far a response lies from its start at the price
    of 1, as a difference or, of a course that ``is_log``, as a difference of logarithms.
    """

    start: np.ndarray
    free: np.ndarray
    spread: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_log: bool


def steer(
    equations: Equations, course: Course, wishes: Sequence[Wish], begin: Covariance, freedom: float = 1.0
) -> tuple[np.ndarray, float]:
    """Responses that meet the equations, near the start and the wishes; and the largest misfit that is left.

    The covariance parameters stay near ``begin``; ``freedom`` multiplies how far they go.
    """
    search = _Search(equations, course, wishes, begin, freedom * NEAR)
    point = np.concatenate([search.origin, begin.free()])
    for weight in WEIGHTS:
        point = search.descend(point, weight)
    return search.meet(point)


class _Search:
    """Unknowns are distances from the start in units of ``spread``, then theta."""

    def __init__(
        self,
        equations: Equations,
        course: Course,
        wishes: Sequence[Wish],
        begin: Covariance,
        near: np.ndarray,
    ) -> None:
        self.equations, self.course, self.wishes = equations, course, wishes
        self.begin, self.near = begin.free(), near
        free = course.free
        forward = np.log if course.is_log else np.asarray
        self._centre = forward(course.start[free])
        self._spread = course.spread[free]
        self._low = (forward(course.low[free]) - self._centre) / self._spread
        self._high = (forward(course.high[free]) - self._centre) / self._spread
        self.origin = np.clip(np.zeros(len(free)), self._low, self._high)

    def responses(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All responses, and the slope of each free one by its own unknown."""
        n = len(self.course.free)
        moved = self._centre + point[:n] * self._spread
        y = self.course.start.copy()
        y[self.course.free] = np.exp(moved) if self.course.is_log else moved
        return y, self._spread * (y[self.course.free] if self.course.is_log else 1.0)

    def residuals(self, point: np.ndarray, weight: float) -> np.ndarray:
        n = len(self.course.free)
        y, _ = self.responses(point)
        return np.concatenate(
            [
                point[:n],
                (point[n:] - self.begin) / self.near,
                *(wish(y)[0] for wish in self.wishes),
                weight * self.equations.misfit(y, point[n:]),
            ]
        )

    def slopes(self, point: np.ndarray, weight: float) -> np.ndarray:
        n = len(self.course.free)
        y, own = self.responses(point)
        _, by_y, by_theta = self.equations.with_slopes(y, point[n:])
        of_wishes = [wish(y)[1][:, self.course.free] * own for wish in self.wishes]
        left = np.vstack(
            [np.eye(n), np.zeros((len(self.near), n)), *of_wishes, weight * by_y[:, self.course.free] * own]
        )
        right = np.zeros((len(left), len(self.near)))
        right[n : n + len(self.near)] = np.diag(1.0 / self.near)
        right[-len(by_theta) :] = weight * by_theta
        return np.hstack([left, right])

    def descend(self, point: np.ndarray, weight: float) -> np.ndarray:
        """Levenberg and Marquardt, until ``PATIENCE`` steps in a row gain less than a hundred-thousandth."""
        n = len(self.course.free)
        damping, scale = 1.0, np.concatenate([np.ones(n), 1.0 / self.near**2])
        now, fruitless = self.residuals(point, weight), 0
        for _ in range(ITERATIONS):
            slopes = self.slopes(point, weight)
            normal, gradient = slopes.T @ slopes, slopes.T @ now
            before = float(now @ now)
            moves = np.flatnonzero(~self._is_held(point, gradient))
            for _ in range(12):
                step = np.linalg.solve(
                    normal[np.ix_(moves, moves)] + damping * np.diag(scale[moves]), gradient[moves]
                )
                tried = point.copy()
                tried[moves] -= step
                tried = self._within(tried)
                found = self.residuals(tried, weight)
                if float(found @ found) < before:
                    break
                damping *= 4.0
            else:
                return point
            damping = max(damping / 5.0, 1e-6)
            point, now = tried, found
            fruitless = fruitless + 1 if before - float(now @ now) < 1e-5 * before else 0
            if fruitless == PATIENCE:
                return point
        return point

    def meet(self, point: np.ndarray, steps: int = 40) -> tuple[np.ndarray, float]:
        """The shortest steps, Newton's, that meet the equations alone; a step that does not help is
        halved.
        """
        n = len(self.course.free)

        def left(at: np.ndarray) -> float:
            return float(np.abs(self.equations.misfit(self.responses(at)[0], at[n:])).max())

        for _ in range(steps):
            y, own = self.responses(point)
            misfit, by_y, by_theta = self.equations.with_slopes(y, point[n:])
            if np.abs(misfit).max() < 1e-10:
                break
            step = self._shortest(point, np.hstack([by_y[:, self.course.free] * own, by_theta]), misfit)
            tried = [self._within(point - share * step) for share in (1.0, 0.5, 0.1)]
            nearer = [at for at in tried if left(at) < np.abs(misfit).max()]
            if not nearer:
                break
            point = nearer[0]
        return self.responses(point)[0], left(point)

    def _shortest(self, point: np.ndarray, slopes: np.ndarray, misfit: np.ndarray) -> np.ndarray:
        """The shortest step to where the equations would hold, without responses that would pass a bound."""
        step, moves = np.zeros(len(point)), np.ones(len(point), dtype=bool)
        for _ in range(6):
            step[:] = 0.0
            step[moves] = np.linalg.lstsq(slopes[:, moves], misfit, rcond=None)[0]
            held = moves & self._is_held(point, step)
            if not held.any():
                break
            moves &= ~held
        return step

    def _is_held(self, point: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Which responses stand at a bound and would have to pass it."""
        n = len(self.course.free)
        held = ((point[:n] <= self._low) & (gradient[:n] > 0)) | (
            (point[:n] >= self._high) & (gradient[:n] < 0)
        )
        return np.concatenate([held, np.zeros(len(point) - n, dtype=bool)])

    def _within(self, point: np.ndarray) -> np.ndarray:
        n = len(self.course.free)
        return np.concatenate(
            [np.clip(point[:n], self._low, self._high), np.clip(point[n:], -FURTHEST, FURTHEST)]
        )


def _covariance_matrices(rows: Rows, of: Covariance) -> tuple[np.ndarray, list[np.ndarray]]:
    """V and its derivatives by D11, D12, D22, sigma^2 and phi."""
    same = (rows.patient[:, None] == rows.patient[None, :]).astype(float)
    t = rows.month.astype(float)
    lag = np.abs(rows.index[:, None] - rows.index[None, :])
    serial = same * of.phi**lag
    by_phi = same * np.where(lag > 0, lag * of.phi ** np.maximum(lag - 1, 0), 0.0)
    variance = of.sd_residual**2
    derivatives = [same, same * (t[:, None] + t), same * np.outer(t, t), serial, variance * by_phi]
    weights = (of.sd_intercept**2, of.correlation * of.sd_intercept * of.sd_slope, of.sd_slope**2, variance)
    v = sum(weight * d for weight, d in zip(weights, derivatives[:4], strict=True))
    return v, derivatives
