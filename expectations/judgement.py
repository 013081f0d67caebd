"""Judges what a rule found, and words the result: thresholds, hospitals, waivers.

Belongs here: judging counts, joining the items of one hospital into one result, letting waivers hold or
expire. Does not belong here: getting the counts (`runner.py`, `counted.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypedDict

from expectations.result import CheckResult
from expectations.suite import ROW_COUNT, Rule, Suite, Waiver

ITEMS_SHOWN = 5
ROUNDING = 1e-9  # 95 % of 20 rows is 19 rows, not 18.999…


class Group(TypedDict):
    """Rows examined and unexpected in one group: a hospital, a concept, both, or (no names) the whole
    table."""

    names: dict[str, str | None]
    examined: int
    unexpected: int


@dataclass(frozen=True)
class Finding:
    """The counts of a rule's groups, or one number, or the reason why there is neither.

    ``holds`` is Great Expectations' own judgement, if it judged a table as a whole.
    """

    groups: tuple[Group, ...] = ()
    number: int | None = None
    holds: bool | None = None
    trouble: str | None = None


def holds(group: Group, mostly: float, at_least: int) -> bool:
    """Whether a group meets its threshold; with fewer than ``at_least`` rows it is not judged."""
    examined, unexpected = group["examined"], group["unexpected"]
    return examined < max(at_least, 1) or examined - unexpected >= mostly * examined - ROUNDING


def judge(
    suite: Suite, rule: Rule, table: str, finding: Finding, waivers: tuple[Waiver, ...], day: date
) -> list[CheckResult]:
    """The results of one rule on one table: one result, or one per hospital found if the rule is judged per
    hospital.
    """
    own = [w for w in waivers if w.expectation == rule.id]
    if finding.trouble is not None:
        trouble = f"Could not be computed: {finding.trouble}."
        return [_result(suite, rule, table, None, "not computed", False, False, [trouble])]
    if finding.number is not None:
        whole, words = _waived([] if finding.holds else [None], own, None, day)
        return [_result(suite, rule, table, None, finding.number, bool(finding.holds), whole, words)]
    results = []
    for hospital, groups in _by_hospital(rule, finding.groups):
        failed = _failed(rule, groups, finding.holds)
        items = [_item(rule, group) for group in failed]
        whole, words = _waived(items, own, hospital, day)
        observed = _observed(rule, groups, failed)
        results.append(_result(suite, rule, table, hospital, observed, not failed, whole, words))
    return results


def _by_hospital(rule: Rule, groups: tuple[Group, ...]) -> list[tuple[str | None, list[Group]]]:
    if not rule.per:
        return [(None, list(groups))]
    found: dict[str | None, list[Group]] = {}
    for group in groups:
        found.setdefault(group["names"]["hospital_id"], []).append(group)
    return sorted(found.items(), key=lambda pair: (pair[0] is None, pair[0] or "")) or [(None, [])]


def _failed(rule: Rule, groups: list[Group], judged: bool | None) -> list[Group]:
    if judged is not None:
        return [] if judged else groups
    return [group for group in groups if not holds(group, rule.mostly, rule.at_least)]


def _item(rule: Rule, group: Group) -> str | None:
    return group["names"].get(rule.each) if rule.each else None


def _waived(
    failed: list[str | None], waivers: list[Waiver], hospital: str | None, day: date
) -> tuple[bool, list[str]]:
    """Whether waivers in force cover every failed item, and what the note says of the waivers."""
    here = [w for w in waivers if w.hospital in (None, hospital)]
    if not failed:
        return False, [f"The waiver of {w.owner} is no longer needed here." for w in here if w.hospital]
    touching = [w for w in here if w.item is None or w.item in failed]
    in_force = [w for w in touching if day <= w.expires]
    words = [
        f"Waived by {w.owner} until {w.expires}: {w.reason}."
        if w in in_force
        else f"The waiver of {w.owner} expired on {w.expires}."
        for w in touching
    ]
    return all(any(w.item in (None, item) for w in in_force) for item in failed), words


def _observed(rule: Rule, groups: list[Group], failed: list[Group]) -> str:
    if not rule.each:
        return _share(groups[0], rule.at_least) if groups else "0 of 0"
    judged = [group for group in groups if group["examined"] >= rule.at_least]
    worst_first = sorted(failed, key=lambda g: (-g["unexpected"] / g["examined"], str(_item(rule, g))))
    shown = [f"{_item(rule, group)} {_share(group)}" for group in worst_first[:ITEMS_SHOWN]]
    if len(failed) > ITEMS_SHOWN:
        shown.append(f"{len(failed) - ITEMS_SHOWN} more")
    counted = f"{len(failed)} of {len(judged)} {_plural(rule.each)}"
    return f"{counted}: {', '.join(shown)}" if shown else counted


def _share(group: Group, at_least: int = 1) -> str:
    examined, unexpected = group["examined"], group["unexpected"]
    text = f"{unexpected} of {examined}"
    if not examined:
        return text
    if examined < at_least:
        return f"{text}, too few to judge"
    return f"{text} ({100 * unexpected / examined:.1f} %)"


def _plural(column: str) -> str:
    name = column.removesuffix("_id")
    return f"{name.removesuffix('y')}ies" if name.endswith(("ty", "ry")) else f"{name}s"


def _threshold(rule: Rule) -> str:
    if rule.expectation == ROW_COUNT:
        low, high = rule.kwargs.get("min_value"), rule.kwargs.get("max_value")
        if high is None:
            return f"at least {low} rows"
        return f"at most {high} rows" if low is None else f"{low} to {high} rows"
    of_each = " of each" if rule.each else ""
    share = "none" if rule.mostly == 1 else f"at most {100 * (1 - rule.mostly):g} %{of_each}"
    return f"{share} where at least {rule.at_least} are examined" if rule.at_least > 1 else share


def _result(
    suite: Suite,
    rule: Rule,
    table: str,
    hospital: str | None,
    observed: str | int,
    passed: bool,
    waived: bool,
    words: list[str],
) -> CheckResult:
    said = [rule.means, *([f"Threshold: {rule.note}"] if rule.note else []), *words]
    said += [rule.remedy] if rule.remedy and not passed else []
    return CheckResult(
        suite=suite.suite,
        expectation=rule.id,
        layer=suite.layer,
        table=table,
        column=", ".join(rule.columns) or None,
        hospital_id=hospital,
        severity=rule.severity,
        observed=observed,
        threshold=_threshold(rule),
        passed=passed,
        waived=waived,
        note=" ".join(text if text.endswith((".", "!")) else f"{text}." for text in said),
    )
