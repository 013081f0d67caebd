"""R's uniroot, so that what fisher.test prints can be told from what its equations say.

R finds the conditional odds ratio and its interval with uniroot at its default tolerance, 1.2e-4 on the
odds ratio or on its reciprocal; its digits beyond that are the root finder's. The project solves the
same equations to 1e-13 (the ``*_precise`` keys). This is Brent's zeroin as in R's ``zeroin.c`` (Brent
1973; public domain Netlib code), used to show that the difference is the root finder's and nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

EPSILON = float(np.finfo(float).eps)
TOLERANCE = EPSILON**0.25


def uniroot(function: Callable[[float], float], a: float, b: float, tolerance: float = TOLERANCE) -> float:
    """The last iterate of R's ``uniroot(function, c(a, b))``."""
    fa, fb = function(a), function(b)
    c, fc = a, fa
    if fa == 0 or fb == 0:
        return a if fa == 0 else b
    for _ in range(1001):
        previous = b - a
        if abs(fc) < abs(fb):
            a, b, c, fa, fb, fc = b, c, b, fb, fc, fb
        tol = 2 * EPSILON * abs(b) + tolerance / 2
        step = (c - b) / 2
        if abs(step) <= tol or fb == 0:
            return b
        if abs(previous) >= tol and abs(fa) > abs(fb):
            p, q = _interpolate(a, b, c, fa, fb, fc)
            if p < 0.75 * (c - b) * q - abs(tol * q) / 2 and p < abs(previous * q / 2):
                step = p / q
        if abs(step) < tol:
            step = tol if step > 0 else -tol
        a, fa = b, fb
        b += step
        fb = function(b)
        if (fb > 0 and fc > 0) or (fb < 0 and fc < 0):
            c, fc = a, fa
    return b


def _interpolate(a: float, b: float, c: float, fa: float, fb: float, fc: float) -> tuple[float, float]:
    """Linear or inverse quadratic interpolation: the step p / q with p positive."""
    if a == c:
        t = fb / fa
        p, q = (c - b) * t, 1.0 - t
    else:
        u, t, s = fa / fc, fb / fc, fb / fa
        p = s * ((c - b) * u * (u - t) - (b - a) * (t - 1.0))
        q = (u - 1.0) * (t - 1.0) * (s - 1.0)
    return (p, -q) if p > 0 else (-p, q)
