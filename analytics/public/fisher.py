"""Whether the class of a p value of counts says more than the rounded counts beside it.

Belongs here: Fisher's exact test of every table that the rounded counts allow. Does not belong here: the test
of the study itself (`analytics/groups/fisher_exact.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.words.disclosure import P_CLASSES, ROUNDED_TO, rounded

if TYPE_CHECKING:
    import numpy as np

SLACK = 1 + 1e-7  # as R's fisher.test, for tables of equal probability
HALF = ROUNDED_TO // 2


def says_nothing_more(p_value: float, count_a: int, n_a: int, count_b: int, n_b: int) -> bool:
    """Whether all tables that print alike have p values of one class, that of ``p_value``."""
    import numpy as np

    boxes = [
        np.arange(max(0, rounded(c) - HALF), rounded(c) + HALF + 1) for c in (count_a, n_a, count_b, n_b)
    ]
    a, of_a, b, of_b = (grid.ravel() for grid in np.meshgrid(*boxes, indexing="ij"))
    possible = (a <= of_a) & (b <= of_b)
    classes = _classes(_fisher(a[possible], of_a[possible], b[possible], of_b[possible]))
    return bool((classes == _classes(np.array([p_value]))).all())


def _classes(p_values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.searchsorted(P_CLASSES, p_values, side="right")


def _fisher(a: np.ndarray, of_a: np.ndarray, b: np.ndarray, of_b: np.ndarray) -> np.ndarray:
    """Two-sided p values: the probability of all tables with the margins that are no likelier."""
    import numpy as np
    from scipy.special import gammaln

    def log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        inside = (k >= 0) & (k <= n)
        n, k = np.broadcast_arrays(n, np.clip(k, 0, n))
        return np.where(inside, gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), -np.inf)

    both = (a + b)[:, None]
    k = np.arange(int(of_a.max()) + 1)[None, :]
    log_p = log_choose(of_a[:, None], k) + log_choose(of_b[:, None], both - k)
    p = np.exp(log_p - log_choose((of_a + of_b)[:, None], both))
    seen = np.take_along_axis(p, a[:, None], axis=1)
    return np.minimum(1.0, np.where(p <= seen * SLACK, p, 0.0).sum(axis=1))
