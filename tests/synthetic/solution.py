"""The solution: the searched values, as exported, that make the cohort print the published numbers.

Belongs here: reading and writing ``solution/values.csv`` (one row per patient, month and variable, the text
that the hospital exports) and ``solution/relapse.csv`` (days from the baseline visit), and their meaning in
canonical units. Does not belong here: finding them (``solve.py``).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

from tests.synthetic.published import read_rows

FOLDER = Path(__file__).parent
CONSTRAINTS = FOLDER / "constraints"
SOLUTION = FOLDER / "solution"

Key = tuple[str, int, int, str]  # group, patient number, month, variable


@dataclass(frozen=True)
class FollowUp:
    """Days from the baseline visit to relapse (None: none seen) and to the last contact.

    ``relapse_kind`` says what the relapse was of: muscle, systemic (muscle and rash) or rash.
    """

    relapse_day: int | None
    last_seen_day: int
    is_lost: bool
    relapse_kind: str = ""


@dataclass
class Solution:
    values: dict[Key, str] = field(default_factory=dict)
    follow_up: dict[tuple[str, int], FollowUp] = field(default_factory=dict)

    def number(self, key: Key) -> float | None:
        """The value in canonical units; ``<0.10`` counts as 0.10, as the study counted it."""
        text = self.values.get(key)
        return None if text is None else float(text.lstrip("<")) * factor(key[0], key[3])


def factor(group: str, variable: str) -> float:
    """From the unit the hospital exports to the canonical one."""
    if group != "nxp2_adult_dm":
        return 1.0
    return _FACTORS.get(variable, 1.0)


def read(folder: Path = SOLUTION) -> Solution:
    solution = Solution()
    for row in read_rows(folder / "values.csv"):
        key = (row["group"], int(row["patient"]), int(row["month"]), row["variable"])
        solution.values[key] = row["value"]
    for row in read_rows(folder / "relapse.csv"):
        solution.follow_up[row["group"], int(row["patient"])] = FollowUp(
            int(row["relapse_day"]) if row["relapse_day"] else None,
            int(row["last_seen_day"]),
            row["lost_to_follow_up"] == "yes",
            row["relapse_kind"],
        )
    return solution


def write(solution: Solution, folder: Path = SOLUTION) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "values.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["group", "patient", "month", "variable", "value"])
        for key in sorted(solution.values, key=_order):
            writer.writerow([*key, solution.values[key]])
    with (folder / "relapse.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(
            ["group", "patient", "relapse_day", "last_seen_day", "lost_to_follow_up", "relapse_kind"]
        )
        for (group, patient), seen in sorted(
            solution.follow_up.items(), key=lambda item: _order((*item[0], 0, ""))
        ):
            writer.writerow(
                [
                    group,
                    patient,
                    "" if seen.relapse_day is None else seen.relapse_day,
                    seen.last_seen_day,
                    "yes" if seen.is_lost else "no",
                    seen.relapse_kind,
                ]
            )


def variables() -> dict[str, dict[str, str]]:
    """``constraints/variables.csv`` by variable, in its order."""
    return {row["variable"]: row for row in read_rows(CONSTRAINTS / "variables.csv")}


def groups() -> dict[str, dict[str, str]]:
    """``constraints/groups.csv`` by group, in its order."""
    return {row["group"]: row for row in read_rows(CONSTRAINTS / "groups.csv")}


_FACTORS = {name: float(row["factor_adult"]) for name, row in variables().items() if row["factor_adult"]}
_GROUP_ORDER = {name: i for i, name in enumerate(groups())}
_VARIABLE_ORDER = {name: i for i, name in enumerate(variables())}


def _order(key: Key) -> tuple[int, int, int, int]:
    return _GROUP_ORDER[key[0]], key[1], key[2], _VARIABLE_ORDER.get(key[3], -1)
