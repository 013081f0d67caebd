"""The exact test of Fisher, Freeman & Halton for tables of any size: every table counted, none sampled.

Belongs here: the network algorithm. Does not belong here: frames and statuses (``counts.py``).

The p value is the chance, given the margins, of all tables that are no likelier than the one observed (Mehta
& Patel 1983, JASA 78:427-434). Tables are filled column by column. A node states what is left of each row
when a column is done. A path to a node is known by the log weight that it has used, the sum of -log(cell!).
Paths that used the same weight at the same node are one path. Bounds of what the rest can still add decide
what happens to a path. It is

- counted whole, with all its completions, when even the heaviest rest leaves it no likelier than the
  observed table;
- dropped when even the lightest rest leaves it likelier;
- carried on otherwise, and at the last two columns each path looks up how much of what completes it is
  light enough.

Work grows with the number of fillings of a column and of paths. Beyond the limit below there is no answer,
and ``TooLarge`` tells the caller so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

AS_LIKELY = 3.45254e-7  # R's FEXACT: log weights this little above the observed one still count
SAME = 1e9  # log weights that agree to 1e-9 are one path: those of different tables differ by more
STEPS = 60_000_000  # paths formed and fillings tried: half a minute
AT_ONCE = 4_000_000  # paths kept before equal ones are merged


class TooLarge(Exception):
    """The table needs more work than is allowed; the message says how much."""


class Budget:
    """How many paths may still be formed."""

    def __init__(self, steps: int) -> None:
        self.steps = self.left = steps

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooLarge(f"more than {self.steps:,} paths and fillings")


@dataclass(frozen=True)
class Margins:
    """Row totals and column totals, both ascending. The largest row follows from the others."""

    rows: np.ndarray
    columns: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an array with one element per node: what is left of each row but the largest."""
        return tuple((self.rows[:-1] + 1).tolist())

    def left(self, done: int) -> int:
        """Observations in the columns that are not done."""
        return int(self.columns[done:].sum())

    def remaining(self, nodes: np.ndarray, done: int) -> np.ndarray:
        """What is left of every row (rows x nodes), the largest row included."""
        free = np.stack(np.unravel_index(nodes, self.shape))
        return np.concatenate([free, [self.left(done) - free.sum(axis=0)]])

    @property
    def strides(self) -> np.ndarray:
        return np.append(np.cumprod(np.array(self.shape[::-1]))[::-1][1:], 1)


@dataclass(frozen=True)
class Paths:
    """Node, log weight used so far, and how many ways lead there with it."""

    nodes: np.ndarray
    used: np.ndarray
    ways: np.ndarray

    def where(self, keep: np.ndarray | slice) -> Paths:
        return Paths(self.nodes[keep], self.used[keep], self.ways[keep])


def exact_p(table: np.ndarray) -> float:
    """The exact p value of an r x c table of counts; empty rows and columns say nothing and are left out.

    Raises ``TooLarge`` when the table is beyond what is counted.
    """
    table = np.asarray(table, dtype=np.int64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape, default=0) < 2:
        return 1.0
    if table.shape[0] > table.shape[1]:
        table = table.T
    margins = Margins(np.sort(table.sum(axis=1)), np.sort(table.sum(axis=0)))
    limit = -float(special.gammaln(table + 1.0).sum()) + AS_LIKELY
    return _walk(margins, limit)


def _walk(margins: Margins, limit: float) -> float:
    budget = Budget(STEPS)
    full = np.array([math.prod(margins.shape) - 1])
    log_all = float(_log_completions(margins, full, 0)[0])
    paths, counted = Paths(full, np.zeros(1), np.ones(1)), 0.0
    log_factorials = special.gammaln(np.arange(margins.left(0) + 1) + 1.0)
    for done in range(len(margins.columns) - 2):
        paths, whole = _fill_column(margins, paths, done, limit, log_all, log_factorials, budget)
        counted += whole
    counted += _meet(margins, paths, limit, log_all, log_factorials, budget)
    return min(1.0, counted)


def _fill_column(
    margins: Margins,
    paths: Paths,
    done: int,
    limit: float,
    log_all: float,
    log_factorials: np.ndarray,
    budget: Budget,
) -> tuple[Paths, float]:
    """Every way to fill the next column from every path: the paths carried on, and the share counted whole.

    The paths at a node are ascending in what they used, so for each filling those that can be counted
    whole come first, those that are dropped last, and only the ones between are ever formed.
    """
    carried: list[Paths] = []
    room, counted = AT_ONCE, 0.0
    for node, first, last in _runs(paths.nodes):
        left = margins.remaining(np.array([node]), done)[:, 0]
        children, weights, times = _fillings(margins, left, int(margins.columns[done]), log_factorials)
        used, ways = paths.used[first:last], paths.ways[first:last]
        heaviest, lightest = _bounds(margins, children, done + 1)
        from_carried = np.searchsorted(used, limit - weights - heaviest, side="right")
        from_dropped = np.searchsorted(used, limit - weights - lightest, side="right")
        summed = np.concatenate([[0.0], np.cumsum(ways * np.exp(used - used[-1]))])
        log_whole = used[-1] + weights + _log_completions(margins, children, done + 1) - log_all
        counted += float((times * summed[from_carried] * np.exp(log_whole)).sum())
        number = np.maximum(from_dropped - from_carried, 0)
        budget.spend(int(number.sum()) + len(number))
        filling = np.repeat(np.arange(len(number)), number)
        path = np.arange(len(filling)) - np.repeat(np.cumsum(number) - number, number) + from_carried[filling]
        carried.append(Paths(children[filling], used[path] + weights[filling], ways[path] * times[filling]))
        if sum(len(part.nodes) for part in carried) > room:
            carried = [_merge(_join(carried))]
            room = 2 * len(carried[0].nodes) + AT_ONCE
    return _merge(_join(carried)), counted


def _fillings(
    margins: Margins, left: np.ndarray, column: int, log_factorials: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nodes that filling a column leads to, the log weight it uses, and how many fillings do so."""
    cells = _compositions(left, column)
    weights = -log_factorials[cells].sum(axis=0)
    # what is left of the rows has the same completions in any order, so keep the ascending order; sorted, it
    # fits under the sorted row totals, so the node exists
    after = np.sort(left[:, None] - cells, axis=0)
    merged = _merge(Paths(margins.strides @ after[:-1], weights, np.ones(len(weights))))
    return merged.nodes, merged.used, merged.ways


def _compositions(left: np.ndarray, column: int) -> np.ndarray:
    """Every way to take ``column`` from the rows, none more than it has left (rows x ways)."""
    cells = np.zeros((0, 1), dtype=np.int64)
    placed = np.zeros(1, dtype=np.int64)
    for row, total in enumerate(left[:-1].tolist()):
        options = np.arange(min(total, column) + 1)
        cells = np.concatenate([np.repeat(cells, len(options), axis=1), np.tile(options, len(placed))[None]])
        placed = np.add.outer(placed, options).ravel()
        possible = (placed <= column) & (column - placed <= left[row + 1 :].sum())
        cells, placed = cells[:, possible], placed[possible]
    return np.concatenate([cells, (column - placed)[None]])


def _meet(
    margins: Margins, paths: Paths, limit: float, log_all: float, log_factorials: np.ndarray, budget: Budget
) -> float:
    """The share of completions by the last two columns that are light enough, summed over the paths."""
    done = len(margins.columns) - 2
    counted = 0.0
    for node, first, last in _runs(paths.nodes):
        left = margins.remaining(np.array([node]), done)[:, 0]
        cells = _compositions(left, int(margins.columns[done]))
        weights = -(log_factorials[cells] + log_factorials[left[:, None] - cells]).sum(axis=0)
        weights.sort()
        budget.spend(len(weights))
        shares = np.concatenate([[0.0], np.cumsum(np.exp(weights - weights[-1]))])
        used = paths.used[first:last]
        light = np.searchsorted(weights, limit - used, side="right")
        counted += float(
            (paths.ways[first:last] * np.exp(used + weights[-1] - log_all) * shares[light]).sum()
        )
    return counted


def _runs(nodes: np.ndarray) -> list[tuple[int, int, int]]:
    """(node, first, after last) of each run of equal, sorted nodes."""
    if not len(nodes):
        return []
    starts = np.flatnonzero(np.append(True, nodes[1:] != nodes[:-1]))
    ends = np.append(starts[1:], len(nodes))
    return list(zip(nodes[starts].tolist(), starts.tolist(), ends.tolist(), strict=True))


def _join(parts: list[Paths]) -> Paths:
    if not parts:
        return Paths(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    return Paths(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("nodes", "used", "ways"))
    )


def _merge(paths: Paths) -> Paths:
    """Paths at the same node that used the same become one with their ways added; by node, then used,
    ascending.
    """
    if len(paths.nodes) < 2:
        return paths
    used = np.rint((paths.used - paths.used.min()) * SAME).astype(np.int64)
    span = int(used.max()) + 1
    if int(paths.nodes.max()) < 2**62 // span:
        key = paths.nodes * span + used
        order = np.argsort(key)
        key = key[order]
        changes = key[1:] != key[:-1]
    else:
        order = np.lexsort((used, paths.nodes))
        nodes, used = paths.nodes[order], used[order]
        changes = (nodes[1:] != nodes[:-1]) | (used[1:] != used[:-1])
    first = np.flatnonzero(np.append(True, changes))
    kept = order[first]
    return Paths(paths.nodes[kept], paths.used[kept], np.add.reduceat(paths.ways[order], first))


def _log_completions(margins: Margins, nodes: np.ndarray, done: int) -> np.ndarray:
    """log of the summed weight of all completions: left! / (product of row! and column! left)."""
    rows = special.gammaln(margins.remaining(nodes, done) + 1.0).sum(axis=0)
    columns = special.gammaln(margins.columns[done:] + 1.0).sum()
    return special.gammaln(margins.left(done) + 1.0) - rows - columns


def _bounds(margins: Margins, nodes: np.ndarray, done: int) -> tuple[np.ndarray, np.ndarray]:
    """What the columns that are left can add at most and at least, per node.

    At most: by Lagrange duality. For any m_ij = x_i c_j / N the sum of -log(a!) over a table with
    margins x and c is the sum of -log(a!) + a log m, less the margins' share of it, and each cell alone
    is largest at a = floor(m). At least: -log(a!) is concave, so a row's cells weigh no less than all
    of it in one cell; so do a column's.
    """
    rows, columns = margins.remaining(nodes, done).astype(float), margins.columns[done:].astype(float)
    total = columns.sum()
    mean = rows[:, None, :] * columns[None, :, None] / total
    mode = np.floor(mean)
    cells = (special.xlogy(mode, mean) - special.gammaln(mode + 1)).sum(axis=(0, 1))
    shares = (
        special.xlogy(rows, rows).sum(axis=0)
        + special.xlogy(columns, columns).sum()
        - total * math.log(total)
    )
    whole_rows = -special.gammaln(rows + 1).sum(axis=0)
    whole_columns = -special.gammaln(columns + 1).sum()
    slack = 1e-9  # of rounding, on the safe side
    return cells - shares + slack, np.maximum(whole_rows, whole_columns) - slack
