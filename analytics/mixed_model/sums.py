"""Sums over patients: S = sum U_i' W_i^-1 U_i and sum log|W_i|, with first and second derivatives.

Belongs here: the two ways to sum, by visit pattern and by row. Does not belong here: what the likelihood
makes of the sums (likelihood.py).

Derivatives are by (lower triangle of Delta by columns, serial parameter); see covariance.py.

By pattern, with G_k = W^-1 dW_k W^-1:

    dS_k = -sum U' G_k U
    d2S_kl = sum U' (G_k dW_l W^-1 + G_l dW_k W^-1 - W^-1 d2W_kl W^-1) U
    d log|W|_k = tr(W^-1 dW_k),     d2 log|W|_kl = tr(W^-1 d2W_kl) - tr(W^-1 dW_k W^-1 dW_l)

By row, AR(1) and CAR(1) are Markov: with rho_j the correlation to the visit before and w_j^2 = 1 - rho_j^2,
the rows (a_j - rho_j a_{j-1}) / w_j of A = [Z, U] are whitened by R, and log|R| = sum log w_j^2. With a dot
for the derivative by the serial parameter, and per patient a = Z'Z, B = Z'U of whitened rows, Delta = L L',

    N = L (I + L' a L)^-1 L',   H = N B,   F = B - a H,   K = a - a N a,   G = B. - a. H

    S    = U'U - B' H,                   log|W| = log|R| + log|I + L' a L|
    S_k  = -F' E_k F,                    S_kl = F' E_k K E_l F + F' E_l K E_k F
    S.   = (U'U). - B.'H - H'B. + H' a. H
    S..  = (U'U).. - B..'H - H'B.. + H' a.. H - 2 G' N G
    S_k. = -(F.' E_k F + F' E_k F.),     F. = G - a N G

E_k the unit matrix of entry k of Delta (both triangles). The work is linear in the rows, without a matrix
of a patient's size. Source of the low-rank form: Henderson (1975), Biometrics 31:423; of the whitening:
Jones and Boadi-Boateng (1991), Biometrics 47:161.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from analytics.mixed_model.covariance import Structure, relative_covariance
from analytics.mixed_model.patients import PatternBlock, RowBlock


@dataclass(frozen=True)
class Sums:
    """S and sum log|W| with their derivatives by m parameters; S is (p + 1, p + 1)."""

    s: np.ndarray
    first: np.ndarray  # (m, p + 1, p + 1)
    second: np.ndarray  # (m, m, p + 1, p + 1)
    log_det: float
    det_first: np.ndarray  # (m,)
    det_second: np.ndarray  # (m, m)

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.s + other.s,
            self.first + other.first,
            self.second + other.second,
            self.log_det + other.log_det,
            self.det_first + other.det_first,
            self.det_second + other.det_second,
        )


def sum_over(
    block: PatternBlock | RowBlock,
    structure: Structure,
    loading: np.ndarray,
    serial: float,
    unpack: np.ndarray,
) -> Sums | None:
    """The sums of one block at Delta = L L'; None where W is not positive definite."""
    if isinstance(block, PatternBlock):
        return _by_pattern(block, structure, loading @ loading.T, serial, unpack)
    return _by_row(block, structure, loading, serial)


@cache
def pair_numbers(m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs k <= l of m parameters, and the number of the pair for every (k, l)."""
    rows, cols = np.triu_indices(m)
    number = np.zeros((m, m), dtype=int)
    number[rows, cols] = number[cols, rows] = np.arange(len(rows))
    return rows, cols, number


def _by_pattern(
    block: PatternBlock, structure: Structure, delta: np.ndarray, serial: float, unpack: np.ndarray
) -> Sums | None:
    w = relative_covariance(block, structure, delta, serial)
    try:
        root = np.linalg.cholesky(w.value)
    except np.linalg.LinAlgError:
        return None
    log_det = 2.0 * float(block.weight @ np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1))
    inverse = np.linalg.inv(w.value)
    m = len(w.first)
    rows, cols, number = pair_numbers(m)
    left = inverse @ w.first  # W^-1 dW_k
    g = left @ inverse
    product = left[rows] @ g[cols]
    product += product.transpose(0, 1, 3, 2)
    weighted = (left * block.weight[:, None, None]).reshape(m, -1)
    det_second = -weighted @ left.transpose(0, 1, 3, 2).reshape(m, -1).T
    if w.second_serial is not None:
        right = w.second_serial @ inverse
        product[-1] -= inverse @ right
        det_second[-1, -1] += block.weight @ np.trace(right, axis1=1, axis2=2)
    contracted = block.contract(np.concatenate([inverse[None], g, product]), unpack)
    return Sums(
        s=contracted[0],
        first=-contracted[1 : 1 + m],
        second=contracted[1 + m :][number],
        log_det=log_det,
        det_first=np.trace(left, axis1=2, axis2=3) @ block.weight,
        det_second=det_second,
    )


@dataclass(frozen=True)
class _Whitened:
    """Per patient a (q, q) and B (q, c), and the total U'U (c, c): values and derivatives (leading axis 3
    or 1).
    """

    a: np.ndarray  # (orders, patients, q, q)
    b: np.ndarray  # (orders, patients, q, c)
    uu: np.ndarray  # (orders, c, c)
    log_det: np.ndarray  # (orders,) of R


def _by_row(block: RowBlock, structure: Structure, loading: np.ndarray, serial: float) -> Sums | None:
    white = _whiten(block, structure, serial)
    a, b = white.a[0], white.b[0]
    inner = np.eye(loading.shape[1]) + loading.T @ a @ loading
    inverse, determinant = _small_inverse(inner)
    if (determinant <= 0.0).any() or not np.isfinite(determinant).all():
        return None
    n = loading @ inverse @ loading.T
    h = n @ b
    an = a @ n
    f = b - a @ h
    k = a - an @ a
    e_first, e_second = _by_delta(structure, f, k)
    det_first, det_second = _determinant_by_delta(structure, k)
    s = white.uu[0] - _total(b, h)
    log_det = float(white.log_det[0] + np.log(determinant).sum())
    if not structure.has_serial:
        return Sums(s, e_first, e_second, log_det, det_first, det_second)
    a1, b1, a2, b2 = white.a[1], white.b[1], white.a[2], white.b[2]
    g = b1 - a1 @ h
    f1 = g - an @ g
    first = white.uu[1] - _sym(_total(b1, h)) + _total(h, a1 @ h)
    second = white.uu[2] - _sym(_total(b2, h)) + _total(h, a2 @ h) - 2.0 * _total(g, n @ g)
    mixed = np.array([-_sym(_entry(f1, f, i, j)) for i, j in structure.triangle])
    left = np.eye(len(a[0])) - an
    k1 = left @ a1 @ left.transpose(0, 2, 1)
    na1 = n @ a1
    det_serial = white.log_det[1] + np.trace(na1, axis1=1, axis2=2).sum()
    det_serial2 = white.log_det[2] + (n * a2).sum() - (na1 * na1.transpose(0, 2, 1)).sum()
    det_mixed = np.array([(1 + (i != j)) * k1[:, i, j].sum() for i, j in structure.triangle])
    return Sums(
        s,
        np.concatenate([e_first, first[None]]),
        _bordered(e_second, mixed, second),
        log_det,
        np.append(det_first, det_serial),
        _bordered(det_second, det_mixed, np.asarray(det_serial2)),
    )


def _whiten(block: RowBlock, structure: Structure, serial: float) -> _Whitened:
    if not structure.has_serial:
        a, b, uu = block.unwhitened
        return _Whitened(a[None], b[None], uu[None], np.zeros(1))
    rho, rho1, rho2 = structure.correlation(block.gap, serial)
    w2 = 1.0 - rho * rho
    w = np.sqrt(w2)
    before = np.empty_like(block.data)
    before[1:] = block.data[:-1]
    before[0] = 0.0  # rho is 0 at a first row, so what stands before it does not matter
    white = (block.data - rho[:, None] * before) / w[:, None]
    by_rho = (rho[:, None] * block.data - before) / (w2 * w)[:, None]
    by_rho[block.starts] = 0.0
    by_rho2 = block.data / (w2 * w)[:, None] + (3.0 * rho / w2)[:, None] * by_rho
    first = by_rho * rho1[:, None]
    second = by_rho2 * (rho1**2)[:, None] + by_rho * rho2[:, None]
    slope = -2.0 * rho / w2
    curve = -2.0 * (1.0 + rho * rho) / w2**2
    log_det = np.array([np.log(w2).sum(), slope @ rho1, curve @ rho1**2 + slope @ rho2])
    return _grouped(block, [white, first, second], log_det)


def _grouped(block: RowBlock, orders: list[np.ndarray], log_det: np.ndarray) -> _Whitened:
    """Per-patient Z'Z and Z'U and the total U'U of whitened rows, with derivatives by the product rule."""
    zero, one, two = orders
    parts = [[(zero, zero)], [(zero, one), (one, zero)], [(zero, two), (one, one), (one, one), (two, zero)]]
    found = [[block.grouped(left, right) for left, right in part] for part in parts]
    a, b, uu = (np.array([sum(f[k] for f in part) for part in found]) for k in range(3))
    return _Whitened(a, b, uu, log_det)


def _small_inverse(m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse and determinant of symmetric (patients, r, r), r at most 2, in closed form."""
    r = m.shape[1]
    if r == 0:
        return m, np.ones(len(m))
    if r == 1:
        return 1.0 / m, m[:, 0, 0]
    determinant = m[:, 0, 0] * m[:, 1, 1] - m[:, 0, 1] ** 2
    inverse = np.empty_like(m)
    inverse[:, 0, 0], inverse[:, 1, 1] = m[:, 1, 1], m[:, 0, 0]
    inverse[:, 0, 1] = inverse[:, 1, 0] = -m[:, 0, 1]
    return inverse / determinant[:, None, None], determinant


def _total(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """sum_i left_i' right_i for (patients, q, c)."""
    c = left.shape[2]
    return left.reshape(-1, c).T @ right.reshape(-1, c)


def _entry(left: np.ndarray, right: np.ndarray, i: int, j: int) -> np.ndarray:
    """sum left' E right for the unit matrix E of entry (i, j), both triangles."""
    one = left[:, i].T @ right[:, j]
    return one if i == j else one + left[:, j].T @ right[:, i]


def _by_delta(structure: Structure, f: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of S by the entries of Delta."""
    entries = structure.triangle
    units = _units(structure)
    first = np.array([-_entry(f, f, i, j) for i, j in entries])
    ef = [unit @ f for unit in units]
    second = np.array([[_sym(_total(left, k @ right)) for right in ef] for left in ef])
    return first, second


def _determinant_by_delta(structure: Structure, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    units = _units(structure)
    ke = [k @ unit for unit in units]
    first = np.array([np.trace(x, axis1=1, axis2=2).sum() for x in ke])
    second = -np.array([[(x * y.transpose(0, 2, 1)).sum() for y in ke] for x in ke])
    return first, second


def _units(structure: Structure) -> list[np.ndarray]:
    units = []
    for i, j in structure.triangle:
        unit = np.zeros((structure.n_effects, structure.n_effects))
        unit[i, j] = unit[j, i] = 1.0
        units.append(unit)
    return units


def _sym(m: np.ndarray) -> np.ndarray:
    return m + m.T


def _bordered(inner: np.ndarray, border: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """A (m, m, ...) array with one parameter more."""
    m = len(inner)
    out = np.empty((m + 1, m + 1, *inner.shape[2:]))
    out[:m, :m] = inner
    out[m, :m] = out[:m, m] = border
    out[m, m] = corner
    return out
