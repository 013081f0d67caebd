"""Follow-up values of the groups that Table III does not compare: TIF1-gamma+ children and adults.

Belongs here: plausible courses from the patient's own baseline; for the children such that the study's
statements on them hold (s04 to s07, s09, s10): CMAS rises to nearly full score, CK is low and stable from
month 3 on. Does not belong here: the groups of Table III (``trajectories.py``).
"""

from __future__ import annotations

import math
import random

from tests.synthetic.baseline import SEED, text
from tests.synthetic.solution import Key, Solution

Cell = tuple[str, int, int]


def draw(solution: Solution, cells: list[Cell]) -> dict[Key, str]:
    """CK, CMAS (children), IL-10 and interferon gamma of the follow-up visits among ``cells``."""
    found: dict[Key, str] = {}
    for group, number, month in cells:
        if month == 0:
            continue
        chance = random.Random(f"{SEED}/{group}/{number}/{month}/course")
        left = 0.5 ** (month / 4)  # share of the first visit's excess that is left
        if group == "nxp2_adult_dm":
            ck = solution.number((group, number, 0, "ck")) or 200.0
            settled = 110.0 * math.exp(chance.gauss(0, 0.35))
            found[group, number, month, "ck"] = text("ck", group, max(ck * left + settled * (1 - left), 25.0))
        else:
            found[group, number, month, "ck"] = text("ck", group, _stable_ck(group, number, chance))
            cmas = solution.number((group, number, 0, "cmas")) or 42.0
            value = 52 - (52 - cmas) * 0.5 ** (month / 5) + chance.gauss(-0.3, 0.6)
            found[group, number, month, "cmas"] = text("cmas", group, min(max(round(value), 8), 52))
        for name, usual, floor in (("il_10", 3.2, 0.4), ("ifn_gamma", 1.8, 0.1)):
            start = solution.number((group, number, 0, name)) or usual
            settled = usual * math.exp(chance.gauss(0, 0.5))
            found[group, number, month, name] = text(
                name, group, max(start * left + settled * (1 - left), floor)
            )
    return found


def _stable_ck(group: str, number: int, chance: random.Random) -> float:
    """About the child's own level, well within the limits."""
    level = 95.0 * math.exp(random.Random(f"{SEED}/{group}/{number}/settled ck").gauss(0, 0.25))
    return min(max(level, 55.0), 165.0) * math.exp(chance.gauss(0, 0.08))
