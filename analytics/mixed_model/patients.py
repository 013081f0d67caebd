"""Patients as visit patterns, and the sums over patients that the likelihood needs.

Belongs here: sorting rows by patient and time, finding patients with the same pattern of visits, and
contracting patients' data with one symmetric matrix per pattern. Does not belong here: covariance
parameters (covariance.py).

Every quantity of the likelihood has the form sum_i U_i' G_i U_i, where U_i = [X_i, y_i] has one row per
visit of patient i and G_i depends on the times of those visits only. Patients with the same times share G,
so

    sum_i U_i' G U_i  =  sum_jk G_jk T_jk,     T_jk = sum_i U_i[j, :]' U_i[k, :],

and after one pass over the data the cost does not depend on the number of patients. The table T holds the
pairs j <= k and the upper triangle of U'U only. Where times are irregular and patterns do not repeat, the
table would outgrow the data; those patients are contracted directly, in chunks.

Patterns of different length are padded to a common one: a padded visit has zero data, zero random-effect
design and unit variance, so it adds nothing to any sum and nothing to a log-determinant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TABLE_BUDGET = 64 * 2**20  # bytes of T above which patients with rare patterns are contracted directly
DIRECT_CHUNK = 2048  # patients contracted at once


@dataclass(frozen=True)
class Rows:
    """Rows sorted by patient, then time: the order applied, where each patient starts and how many rows it
    has.
    """

    order: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    @property
    def n_patients(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class Block:
    """Visit patterns padded to a common length n, with the number of patients that have each."""

    products: (
        np.ndarray
    )  # (q(q+1)/2, patterns, n, n): dV/dD by the lower triangle of D, z_i z_j' + z_j z_i' or z_i z_i'
    identity: np.ndarray  # (patterns, n, n) 1 on the diagonal of a visit
    padding: np.ndarray  # (patterns, n, n) 1 on the diagonal of a padded visit
    lag_index: np.ndarray | None  # (patterns, n, n) index into lags; len(lags) for a pair with a padded visit
    lags: np.ndarray | None  # distinct distances in time, ascending
    weight: np.ndarray  # patients per pattern
    pairs: np.ndarray | None = None  # shared: flat indices of (pattern, j, k), j <= k
    table: np.ndarray | None = None  # shared: (pairs, packed upper triangle of U'U)
    data: np.ndarray | None = None  # direct: (patterns, n, columns of U)

    def contract(self, g: np.ndarray, unpack: np.ndarray) -> np.ndarray:
        """sum_i U_i' G_i U_i for symmetric ``g`` (m, patterns, n, n) -> (m, columns of U, columns of U)."""
        if self.table is not None:
            return (g.reshape(len(g), -1)[:, self.pairs] @ self.table)[:, unpack]
        return np.matmul(self.data.transpose(0, 2, 1), g @ self.data).sum(axis=1)


def arrange_rows(patient: np.ndarray, time: np.ndarray | None) -> Rows:
    """Sort by patient code (in code order), then time."""
    in_order = np.all(np.diff(patient) >= 0)
    if time is not None:
        order = np.lexsort((time, patient))
    else:
        order = np.arange(len(patient)) if in_order else np.argsort(patient, kind="stable")
    sorted_patient = patient[order]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_patient) != 0])
    return Rows(order, starts, np.diff(np.r_[starts, len(patient)]))


def build_blocks(rows: Rows, u: np.ndarray, z: np.ndarray, time: np.ndarray | None) -> list[Block]:
    """Blocks of patterns from sorted ``u`` (rows x [X, y]), ``z`` (rows x q) and ``time`` (rows, or None)."""
    codes = _row_codes(z, time)
    blocks: list[Block] = []
    budget = TABLE_BUDGET
    for sizes in _bins(np.unique(rows.counts)):
        chosen = np.flatnonzero(np.isin(rows.counts, sizes))
        length = int(sizes.max())
        index = rows.starts[chosen, None] + np.arange(length)
        exists = np.arange(length) < rows.counts[chosen, None]
        index = np.where(exists, index, 0)
        pattern, first = _patterns(np.where(exists, codes[index], -1))
        weight = np.bincount(pattern)
        shared = _worth_sharing(exists[first], weight, u.shape[1], budget)
        make = _Maker(u, z, time, index, exists, first, weight)
        if shared.any():
            block = make.shared(np.flatnonzero(shared), pattern)
            budget -= block.table.nbytes
            blocks.append(block)
        if not shared.all():
            alone = np.flatnonzero(~shared[pattern])
            blocks += [make.direct(alone[i : i + DIRECT_CHUNK]) for i in range(0, len(alone), DIRECT_CHUNK)]
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


def _bins(sizes: np.ndarray) -> list[np.ndarray]:
    """Group numbers of visits so that padding at most wastes a part of the work."""
    bins: list[list[int]] = []
    for size in sizes[::-1]:
        if (bins and size > 0.6 * bins[-1][0]) or (bins and bins[-1][0] <= 6):
            bins[-1].append(int(size))
        else:
            bins.append([int(size)])
    return [np.array(b) for b in bins]


def _patterns(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pattern number of each patient, and for each pattern one patient that has it."""
    base = int(codes.max()) + 2
    if base ** codes.shape[1] < 2**62:
        key = (codes + 1) @ (base ** np.arange(codes.shape[1], dtype=np.int64))
        _, first, pattern = np.unique(key, return_index=True, return_inverse=True)
    else:
        _, first, pattern = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    return pattern.reshape(-1), first


def _worth_sharing(exists: np.ndarray, weight: np.ndarray, columns: int, budget: int) -> np.ndarray:
    n = exists.sum(axis=1)
    table = 8 * (n * (n + 1) // 2) * (columns * (columns + 1) // 2)
    if table.sum() <= budget:
        return np.ones(len(n), dtype=bool)
    return weight * 8 * n * columns * 4 >= table


@dataclass(frozen=True)
class _Maker:
    """Builds the blocks of one bin."""

    u: np.ndarray
    z: np.ndarray
    time: np.ndarray | None
    index: np.ndarray
    exists: np.ndarray
    first: np.ndarray
    weight: np.ndarray

    def _frame(self, patients: np.ndarray, weight: np.ndarray) -> dict:
        index, exists = self.index[patients], self.exists[patients]
        z = self.z[index] * exists[:, :, None]
        products = []
        for j in range(z.shape[2]):
            for i in range(j, z.shape[2]):
                half = z[:, :, i, None] * z[:, None, :, j]
                products.append(half if i == j else half + half.transpose(0, 2, 1))
        eye = np.eye(exists.shape[1])
        lags = lag_index = None
        if self.time is not None:
            t = self.time[index]
            distance = np.abs(t[:, :, None] - t[:, None, :])
            both = exists[:, :, None] & exists[:, None, :]
            lags, inverse = np.unique(distance[both], return_inverse=True)
            lag_index = np.full(both.shape, len(lags))
            lag_index[both] = inverse
        return dict(
            products=np.array(products),
            identity=eye * exists[:, :, None],
            padding=eye * ~exists[:, :, None],
            lag_index=lag_index,
            lags=lags,
            weight=weight.astype(float),
        )

    def direct(self, patients: np.ndarray) -> Block:
        data = self.u[self.index[patients]] * self.exists[patients, :, None]
        return Block(**self._frame(patients, np.ones(len(patients))), data=data)

    def shared(self, patterns: np.ndarray, pattern: np.ndarray) -> Block:
        frame = self._frame(self.first[patterns], self.weight[patterns])
        n, columns = self.exists.shape[1], self.u.shape[1]
        number = self.exists[self.first[patterns]].sum(axis=1)
        by_pattern = np.argsort(pattern, kind="stable")
        ends = np.cumsum(self.weight)
        packed_rows, packed_cols = np.triu_indices(columns)
        pairs, tables = [], []
        for at, (k, size) in enumerate(zip(patterns, number)):
            members = by_pattern[ends[k] - self.weight[k] : ends[k]]
            u = self.u[self.index[members, :size]].reshape(len(members), size * columns)
            t = (u.T @ u).reshape(size, columns, size, columns).transpose(0, 2, 1, 3)
            j, k_row = np.triu_indices(size)
            t = t[j, k_row]
            t = np.where((j < k_row)[:, None, None], t + t.transpose(0, 2, 1), t)
            tables.append(t[:, packed_rows, packed_cols])
            pairs.append((at * n + j) * n + k_row)
        return Block(**frame, pairs=np.concatenate(pairs), table=np.concatenate(tables))
