"""Linear dependence between design columns: which are aliased, by what, and what can be estimated all the
same.

Belongs here: finding the dependence and the rule of estimability. Does not belong here: the design
(design.py) and the sentences about it (result.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

ALIAS_TOLERANCE = 1e-7  # as R's lm(): of a column's length, what the columns before it leave unexplained


@dataclass(frozen=True)
class Dependence:
    """Linear dependence between design columns: which are kept, and a basis of the null space (columns x
    k).
    """

    kept: np.ndarray
    null_space: np.ndarray
    triangle: np.ndarray  # R of the QR decomposition of the kept columns
    relations: tuple[str, ...]

    def is_estimable(self, combination: np.ndarray) -> bool:
        """Whether ``combination`` of coefficients has one value whatever solution is taken (Searle 1971,
        5.4).
        """
        if self.null_space.shape[1] == 0:
            return True
        return bool(np.abs(combination @ self.null_space).max() <= 1e-8 * np.linalg.norm(combination))


def find_dependence(x: np.ndarray, names: Sequence[str]) -> Dependence:
    """Find aliased columns from left to right, as R does: a column is aliased by the columns before it."""
    norms = np.sqrt(np.einsum("ij,ij->j", x, x))
    scale = np.where(norms > 0, norms, 1.0)
    r = (
        np.linalg.qr(x, mode="r")
        if len(x) >= x.shape[1]
        else np.linalg.qr(np.vstack([x, np.zeros_like(x.T @ x)]), "r")
    )
    r = r / scale
    basis = np.empty((len(r), 0))
    kept: list[int] = []
    nulls, relations = [], []
    for j in range(x.shape[1]):
        coefficients = basis.T @ r[:, j]
        residual = r[:, j] - basis @ coefficients
        again = basis.T @ residual
        residual = residual - basis @ again
        size = np.linalg.norm(residual)
        if norms[j] > 0 and size > ALIAS_TOLERANCE:
            basis = np.column_stack([basis, residual / size])
            kept.append(j)
            continue
        weights = (
            np.linalg.solve(basis.T @ r[:, kept], coefficients + again) * scale[j] / scale[kept]
            if kept
            else []
        )
        null = np.zeros(x.shape[1])
        null[j] = 1.0
        null[kept] = -np.asarray(weights)
        null[np.abs(null) < 1e-9] = 0.0
        nulls.append(null)
        relations.append(_relation(j, null, names))
    kept_index = np.array(kept, dtype=int)
    found = np.linalg.qr(r[:, kept_index] * scale[kept_index], mode="r")
    triangle = cast(np.ndarray, found)  # numpy's types forget that mode "r" gives R alone
    null_space = np.array(nulls).T if nulls else np.zeros((x.shape[1], 0))
    return Dependence(kept_index, null_space, triangle, tuple(relations))


def _relation(column: int, null: np.ndarray, names: Sequence[str]) -> str:
    parts = [(-w, names[i]) for i, w in enumerate(null) if w != 0.0 and i != column]
    if not parts:
        return f"{names[column]} = 0"
    text = " ".join(
        f"{'-' if w < 0 else '+'} {'' if abs(abs(w) - 1) < 1e-9 else f'{abs(w):.6g} '}{name}"
        for w, name in parts
    )
    return f"{names[column]} = {text.removeprefix('+ ')}"
