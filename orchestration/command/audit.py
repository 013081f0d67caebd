"""What `myositis audit` shows: the findings on a folder of printed numbers, and their count.

Belongs here: choosing findings and wording them for the terminal. Does not belong here: the checks
(`analytics/audit`).
"""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analytics.paper.audit import audit
from analytics.paper.audit.finding import CONTRADICTS, HOLDS, HOLDS_IF, NOT_CHECKED, NOTE, VERDICTS, Finding
from orchestration.command import console
from orchestration.registry.published import read_paper
from yaml_files.yaml_file import ConfigurationError, nearest

TITLES = {
    CONTRADICTS: "Contradicts what else is printed",
    HOLDS_IF: "Holds only with what the paper does not state",
    HOLDS: "Holds as printed",
    NOT_CHECKED: "Not checked",
    NOTE: "Counts and remarks",
}
COLUMNS = {CONTRADICTS: "contradict", HOLDS_IF: "only if", HOLDS: "hold", NOT_CHECKED: "not checked"}


class NoSuchCheck(Exception):
    """--check names a check that made no finding."""


@dataclass(frozen=True)
class Choice:
    """Which findings to show; the count always covers all of them."""

    check: str | None = None
    everything: bool = False
    as_csv: bool = False


def show(folder: Path, choice: Choice) -> bool:
    """Print the chosen findings and, last, the count; returns whether any finding contradicts."""
    try:
        paper = read_paper(folder)
    except ConfigurationError as error:
        raise ConfigurationError(error.faults, f"The paper in {folder}") from None
    findings = audit(paper)
    shown = _of_check(findings, choice.check)
    if choice.as_csv:
        _write_csv(shown)
    else:
        console.out.print(" · ".join(filter(None, [paper.file.title, paper.file.citation])), markup=False)
        _show_counts(findings)
        for verdict in VERDICTS:
            if verdict != HOLDS or choice.everything:
                _show_verdict(verdict, [f for f in shown if f.verdict == verdict])
        console.out.print(f"\n{_count(findings)}", markup=False)
    return any(f.verdict == CONTRADICTS for f in findings)


def _of_check(findings: Sequence[Finding], check: str | None) -> list[Finding]:
    made = list(dict.fromkeys(f.check for f in findings))
    if check is not None and check not in made:
        raise NoSuchCheck(
            f'--check: no finding of "{check}"; this paper has {", ".join(made)}.{nearest(check, made)}'
        )
    return [f for f in findings if check in (None, f.check)]


def _write_csv(findings: Sequence[Finding]) -> None:
    names = [field.name for field in dataclasses.fields(Finding)]
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(finding) for finding in findings)


def _show_counts(findings: Sequence[Finding]) -> None:
    rows = []
    for check in dict.fromkeys(f.check for f in findings):
        of_check = [f.verdict for f in findings if f.check == check]
        if counts := [of_check.count(verdict) for verdict in COLUMNS]:
            rows.append([check, *(count or "" for count in counts)])
    rows = [row for row in rows if any(row[1:])]
    console.out.print()
    console.table("", ["check", *COLUMNS.values()], rows, right=list(COLUMNS.values()))


def _show_verdict(verdict: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    console.out.print(f"\n{TITLES[verdict]}", markup=False, style="bold")
    for finding in findings:
        console.out.print(
            f"  {finding.check}: {'  '.join(filter(None, [finding.cell, finding.printed]))}", markup=False
        )
        console.out.print(f"      {finding.text}", markup=False)
        said = [f"assumed: {finding.assumed}" if finding.assumed else "", finding.strength]
        if finding.tried > 1:
            said.append(f"{finding.tried} tried")
        if any(said):
            console.out.print(f"      ({'; '.join(filter(None, said))})", markup=False)


def _count(findings: Sequence[Finding]) -> str:
    of = {verdict: sum(f.verdict == verdict for f in findings) for verdict in VERDICTS}
    checked = len(findings) - of[NOTE] - of[NOT_CHECKED]
    return (
        f"{of[HOLDS]} of {checked} checks hold as printed; {of[HOLDS_IF]} only with what the paper does not "
        f"state, {of[CONTRADICTS]} contradict; {of[NOT_CHECKED]} could not be made"
    )
