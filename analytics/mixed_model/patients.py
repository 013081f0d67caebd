"""Patients as visit patterns: the data of a fit in the form that the likelihood sums over.

Belongs here: sorting rows by patient and time, finding patients with the same pattern of visits, and the two
layouts of their data. Does not belong here: covariance parameters (covariance.py) and the sums themselves
(sums.py).

Every quantity of the likelihood has the form sum_i U_i' G_i U_i, where U_i = [X_i, y_i] has one row per
visit of patient i and G_i depends on the times of those visits only. Patients with the same times share G,
so

    sum_i U_i' G U_i  =  sum_jk G_jk T_jk,     T_jk = sum_i U_i[j, :]' U_i[k, :],

and after one pass over the data the cost does not depend on the number of patients (``PatternBlock``). The
table T holds the pairs j <= k and the upper triangle of U'U only. Patterns of different length are padded
to a common one: a padded visit has zero data, zero random-effect design and unit variance, so it adds
nothing to any sum and nothing to a log-determinant.

Where times are irregular, patterns do not repeat and the table would outgrow the data; those patients stay as
rows (``RowBlock``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

FEW_PATTERNS = 64  # as many patterns are cheap as a table even when each is one patient's
REPEATED = 3  # patients of a pattern that make its table worth while otherwise


@dataclass(frozen=True)
class Rows:
    """Rows sorted by patient, then time: the order applied, where each patient starts, how many rows it
    has.
    """

    order: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    @property
    def n_patients(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class PatternBlock:
    """Visit patterns padded to a common length n, with the sums over the patients that have each."""

    products: np.ndarray  # (q(q+1)/2, patterns, n, n): dV/dD by the lower triangle of D, by columns
    identity: np.ndarray  # (patterns, n, n): 1 on the diagonal of a visit
    padding: np.ndarray  # (patterns, n, n): 1 on the diagonal of a padded visit
    lag_index: np.ndarray | None  # (patterns, n, n) index into lags; len(lags) for a pair with a padded visit
    lags: np.ndarray | None  # distinct distances in time, ascending
    weight: np.ndarray  # patients per pattern
    pairs: np.ndarray  # flat indices of (pattern, j, k), j <= k
    table: np.ndarray  # (pairs, packed upper triangle of U'U)

    def contract(self, g: np.ndarray, unpack: np.ndarray) -> np.ndarray:
        """sum_i U_i' G_i U_i for symmetric ``g`` (m, patterns, n, n) -> (m, columns of U, columns of U)."""
        return (g.reshape(len(g), -1)[:, self.pairs] @ self.table)[:, unpack]


@dataclass(frozen=True)
class RowBlock:
    """Patients one after the other, as rows."""

    data: np.ndarray  # (rows, q + columns of U): [Z, U]
    n_effects: int
    gap: np.ndarray  # distance in time to the row before; infinite at a patient's first row
    starts: np.ndarray  # first row of each patient

    @cached_property
    def unwhitened(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sums of ``grouped`` for the data as they are: constants without serial correlation."""
        return self.grouped(self.data, self.data)

    def grouped(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per patient Z'Z (q, q) and Z'U (q, c), and the total U'U (c, c), Z and U of left and right."""
        q = self.n_effects
        products = (left[:, :q, None] * right[:, None, :]).reshape(len(left), -1)
        by_patient = np.add.reduceat(products, self.starts, axis=0).reshape(len(self.starts), q, -1)
        return by_patient[:, :, :q], by_patient[:, :, q:], left[:, q:].T @ right[:, q:]


def arrange_rows(patient: np.ndarray, time: np.ndarray | None) -> Rows:
    """Sort by patient code (in code order), then time."""
    if time is not None:
        order = np.lexsort((time, patient))
    elif np.all(np.diff(patient) >= 0):
        order = np.arange(len(patient))
    else:
        order = np.argsort(patient, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(patient[order]) != 0])
    return Rows(order, starts, np.diff(np.r_[starts, len(patient)]))


def build_blocks(
    rows: Rows, u: np.ndarray, z: np.ndarray, time: np.ndarray | None
) -> list[PatternBlock | RowBlock]:
    """Blocks from sorted ``u`` (rows x [X, y]), ``z`` (rows x q) and ``time`` (rows, or None)."""
    pattern, first = _patterns(rows, _row_codes(z, time))
    weight = np.bincount(pattern)
    shared = np.ones(len(first), dtype=bool) if len(first) <= FEW_PATTERNS else weight >= REPEATED
    blocks: list[PatternBlock | RowBlock] = []
    chosen = np.flatnonzero(shared)
    for sizes in _bins(np.unique(rows.counts[first[chosen]])):
        in_bin = chosen[np.isin(rows.counts[first[chosen]], sizes)]
        blocks.append(_pattern_block(rows, u, z, time, in_bin, pattern, first))
    alone = np.flatnonzero(~shared[pattern])
    if len(alone):
        blocks.append(_row_block(rows, u, z, time, alone))
    return blocks


def unpack_index(columns: int) -> np.ndarray:
    """Index that turns a packed upper triangle into the full symmetric matrix."""
    index = np.zeros((columns, columns), dtype=int)
    rows, cols = np.triu_indices(columns)
    index[rows, cols] = index[cols, rows] = np.arange(len(rows))
    return index


def _row_codes(z: np.ndarray, time: np.ndarray | None) -> np.ndarray:
    """One integer per row for its random-effect design and time."""
    code = np.zeros(len(z), dtype=np.int64)
    for column in [*z.T[1:], *([] if time is None else [time])]:
        values, inverse = np.unique(column, return_inverse=True)
        code = code * len(values) + inverse
    return np.unique(code, return_inverse=True)[1]


def _patterns(rows: Rows, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pattern number of each patient, and for each pattern one patient that has it.

    A patient's rows are hashed as a polynomial in two odd multipliers modulo 2^64; patterns of equal hash are
    then compared, and told apart by rows where they differ.
    """
    number = np.arange(len(codes)) - np.repeat(rows.starts, rows.counts)
    key = np.zeros((rows.n_patients, 2), dtype=np.uint64)
    for k, odd in enumerate((0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)):
        powers = np.cumprod(np.full(int(rows.counts.max()) + 1, odd, dtype=np.uint64))
        terms = (codes.astype(np.uint64) + np.uint64(1)) * powers[number]
        key[:, k] = np.add.reduceat(terms, rows.starts)
    combined = key[:, 0] ^ (key[:, 1] << np.uint64(1))
    _, first, pattern = np.unique(combined, return_index=True, return_inverse=True)
    representative = first[pattern]
    same = rows.counts == rows.counts[representative]
    offset = np.minimum(number, np.repeat(rows.counts[representative], rows.counts) - 1)
    equal = codes == codes[np.repeat(rows.starts[representative], rows.counts) + offset]
    same &= np.logical_and.reduceat(equal, rows.starts)
    if same.all():
        return pattern, first
    codes_of = [tuple(codes[s : s + n]) for s, n in zip(rows.starts, rows.counts)]
    numbers = {c: i for i, c in enumerate(dict.fromkeys(codes_of))}
    pattern = np.array([numbers[c] for c in codes_of])
    return pattern, np.unique(pattern, return_index=True)[1]


def _bins(sizes: np.ndarray) -> list[np.ndarray]:
    """Group numbers of visits so that padding at most wastes a part of the work."""
    bins: list[list[int]] = []
    for size in sizes[::-1]:
        if bins and (size > 0.6 * bins[-1][0] or bins[-1][0] <= 6):
            bins[-1].append(int(size))
        else:
            bins.append([int(size)])
    return [np.array(b) for b in bins]


def _pattern_block(
    rows: Rows,
    u: np.ndarray,
    z: np.ndarray,
    time: np.ndarray | None,
    patterns: np.ndarray,
    pattern: np.ndarray,
    first: np.ndarray,
) -> PatternBlock:
    counts = rows.counts[first[patterns]]
    length = int(counts.max())
    exists = np.arange(length) < counts[:, None]
    index = np.where(exists, rows.starts[first[patterns], None] + np.arange(length), 0)
    both = exists[:, :, None] & exists[:, None, :]
    lags = lag_index = None
    if time is not None:
        t = time[index]
        lags, inverse = np.unique(np.abs(t[:, :, None] - t[:, None, :])[both], return_inverse=True)
        lag_index = np.full(both.shape, len(lags))
        lag_index[both] = inverse
    pairs, table, weight = _table(rows, u, patterns, pattern, counts, length)
    eye = np.eye(length)
    return PatternBlock(
        products=_products(z[index] * exists[:, :, None]),
        identity=eye * exists[:, :, None],
        padding=eye * ~exists[:, :, None],
        lag_index=lag_index,
        lags=lags,
        weight=weight.astype(float),
        pairs=pairs,
        table=table,
    )


def _products(z: np.ndarray) -> np.ndarray:
    """z_i z_j' + z_j z_i', or z_i z_i', for the lower triangle by columns."""
    products = []
    for j in range(z.shape[2]):
        for i in range(j, z.shape[2]):
            half = z[:, :, i, None] * z[:, None, :, j]
            products.append(half if i == j else half + half.transpose(0, 2, 1))
    return np.array(products)


def _table(
    rows: Rows, u: np.ndarray, patterns: np.ndarray, pattern: np.ndarray, counts: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = u.shape[1]
    by_pattern = np.argsort(pattern, kind="stable")
    all_weights = np.bincount(pattern)
    ends = np.cumsum(all_weights)
    packed_rows, packed_cols = np.triu_indices(columns)
    pairs, tables = [], []
    for at, (number, size) in enumerate(zip(patterns, counts)):
        members = by_pattern[ends[number] - all_weights[number] : ends[number]]
        index = rows.starts[members, None] + np.arange(size)
        wide = u[index].reshape(len(members), size * columns)
        t = (wide.T @ wide).reshape(size, columns, size, columns).transpose(0, 2, 1, 3)
        row, col = np.triu_indices(size)
        t = t[row, col]
        t = np.where((row < col)[:, None, None], t + t.transpose(0, 2, 1), t)
        tables.append(t[:, packed_rows, packed_cols])
        pairs.append((at * length + row) * length + col)
    return np.concatenate(pairs), np.concatenate(tables), all_weights[patterns]


def _row_block(
    rows: Rows, u: np.ndarray, z: np.ndarray, time: np.ndarray | None, patients: np.ndarray
) -> RowBlock:
    counts = rows.counts[patients]
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    index = np.arange(counts.sum()) - np.repeat(starts - rows.starts[patients], counts)
    gap = np.full(len(index), np.inf)
    if time is not None:
        gap[1:] = np.diff(time[index])
        gap[starts] = np.inf
    return RowBlock(np.column_stack([z[index], u[index]]), z.shape[1], gap, starts)
