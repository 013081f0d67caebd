"""``python -m tests.synthetic.relapse_bounds``: what the log-rank tests can print if nobody but the three
lost is censored.

Belongs here: the enumeration. A log-rank test sees the order of relapses and losses only, so with the
published counts (9 of 15 with three lost, 1 of 12, 6 of 12, 1 of 20) and everybody else followed for 36
months every order can be tried, two relapses on one day left out. Its outcome is
``solution/relapse_bounds.csv``. Does not belong here: the days that the cohort has (``relapse.py``).
"""

from __future__ import annotations

import csv
from itertools import combinations

import numpy as np
from scipy import special

from tests.synthetic import published
from tests.synthetic.published import PValue
from tests.synthetic.relapse import printed_p_values
from tests.synthetic.solution import SOLUTION, groups

LOST = -1  # a loss, from the NXP2+ children; a relapse is written as the code of its group
NXP2, MDA5, TIF1G, ADULT = range(4)
HEADER = ("test", "given", "orders", "least_p", "greatest_p")


def main() -> None:
    with (SOLUTION / "relapse_bounds.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([HEADER, *pairs(), overall()])


def pairs() -> list[tuple[str, ...]]:
    """NXP2+ children against each group that a p value is printed for, over all orders."""
    return [
        _row(f"nxp2_jdm : {name}", "", p_values(_orders(other), (NXP2, other)))
        for name, other in (("mda5_jdm", MDA5), ("nxp2_adult_dm", ADULT))
    ]


def overall() -> tuple[str, ...]:
    """All four groups, over the orders in which NXP2+ against MDA5+ prints as published, to two decimals."""
    (text,) = [p.text for names, p in printed_p_values() if names == ["nxp2_jdm", "mda5_jdm"]]
    among = _orders(MDA5)
    p = p_values(among, (NXP2, MDA5))
    held = among[[PValue.parse(text).admits(value) for value in p]]
    between, rest = _places(among.shape[1])
    found = np.concatenate(
        [p_values(np.where(rest < 0, between, order[rest]), (NXP2, MDA5, TIF1G, ADULT)) for order in held]
    )
    return _row("overall", f"nxp2_jdm : mda5_jdm prints {text}", found)


def _row(test: str, given: str, p: np.ndarray) -> tuple[str, ...]:
    return test, given, str(len(p)), f"{p.min():.3g}", f"{p.max():.3g}"


def p_values(orders: np.ndarray, compared: tuple[int, ...]) -> np.ndarray:
    """p of the log-rank test for each row of ``orders``, at the sizes of the groups ``compared``."""
    size = [int(row["size"]) for row in groups().values()]
    at_risk = np.tile([float(size[code]) for code in compared], (len(orders), 1))
    excess = np.zeros_like(at_risk)
    covariance = np.zeros((len(orders), len(compared), len(compared)))
    for who in orders.T:
        relapse = (who != LOST)[:, None]
        share = at_risk / at_risk.sum(axis=1, keepdims=True)
        leaves = (np.where(relapse, who[:, None], NXP2) == np.array(compared)).astype(float)
        excess += relapse * (leaves - share)
        covariance -= (relapse * share)[:, :, None] * share[:, None, :]
        for i in range(len(compared)):
            covariance[:, i, i] += relapse[:, 0] * share[:, i]
        at_risk -= leaves
    left, form = excess[:, :-1], covariance[:, :-1, :-1]
    statistic = (left * np.linalg.solve(form, left[:, :, None])[:, :, 0]).sum(axis=1)
    return special.chdtrc(len(compared) - 1, statistic)


def _orders(other: int) -> np.ndarray:
    """Every order of the relapses and losses of the NXP2+ children and the relapses of another group."""
    relapses, lost, others = _relapses(NXP2), int(groups()["nxp2_jdm"]["lost_to_follow_up"]), _relapses(other)
    length = relapses + lost + others
    return np.array(
        [
            [LOST if i in losses else other if i in theirs else NXP2 for i in range(length)]
            for losses in combinations(range(length), lost)
            for theirs in combinations([i for i in range(length) if i not in losses], others)
        ]
    )


def _places(before: int) -> tuple[np.ndarray, np.ndarray]:
    """Every way to put the relapses of TIF1-gamma+ children and adults between ``before`` others.

    A row of the first array holds their codes at their places; of the second, which other stands there, -1 at
    theirs.
    """
    theirs, adults = _relapses(TIF1G), _relapses(ADULT)
    length = before + theirs + adults
    taken = [
        (at, of_adults)
        for at in combinations(range(length), theirs)
        for of_adults in combinations([i for i in range(length) if i not in at], adults)
    ]
    between = np.full((len(taken), length), LOST)
    rows = np.arange(len(taken))[:, None]
    between[rows, np.array([at for at, _ in taken])] = TIF1G
    between[rows, np.array([of_adults for _, of_adults in taken])] = ADULT
    is_rest = between == LOST
    return between, np.where(is_rest, is_rest.cumsum(axis=1) - 1, -1)


def _relapses(code: int) -> int:
    name = list(groups())[code]
    return next(
        int(s.numbers[0].value) for s in published.summaries() if s.variable == "relapse" and s.group == name
    )


if __name__ == "__main__":
    main()
