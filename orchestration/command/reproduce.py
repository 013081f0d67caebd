"""What `myositis reproduce` shows: the rows of results.reproduction in the current release, and their count.

Belongs here: choosing rows and wording for the terminal. Does not belong here: the comparison
(`analytics/paper/reproduction.py`), the tables (`analytics/printed/provenance_tables.py`, which the report
prints too).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from analytics.paper.reproduction import agreement, statement_counts, statement_words
from analytics.printed.printed_table import PrintedTable, Row, several, to_csv
from analytics.printed.provenance_tables import reproduction_table, statement_table
from analytics.study.frames import StudyFrames
from orchestration.command import console
from orchestration.report.page import SYNTHETIC, read_release
from yaml_files.yaml_file import nearest


class NothingPrinted(Exception):
    """No study of the release has printed numbers, or the table asked for has none."""


@dataclass(frozen=True)
class Choice:
    """Which rows to show; the count always covers all of them."""

    table: str | None = None
    differs: bool = False
    as_csv: bool = False


def show(release: Path, choice: Choice) -> bool:
    """Print the chosen rows and, last, how many of all printed values agree and how many statements hold;
    returns whether all do.
    """
    content = read_release(release)
    studies = [s for s in content.studies if s.rows("reproduction")]
    if not studies:
        raise NothingPrinted(
            "no study of this release has printed numbers to compare with; put them in published/<study>/ of"
            " the registry (docs/published.md) and run: myositis run"
        )
    _check_table(studies, choice.table)
    note = SYNTHETIC if content.info.get("synthetic") else ""
    for study in studies:
        _show_rows(_chosen(study, choice), note, choice.as_csv)
        _show_statements(_chosen_statements(study, choice), note, choice.as_csv)
    if not choice.as_csv:
        for study in studies:
            for line in _counts(study):
                console.out.print(line, markup=False)
    return all(row["agrees"] for study in studies for row in study.rows("reproduction"))


def _check_table(studies: list[StudyFrames], table: str | None) -> None:
    tables = list(dict.fromkeys(t for s in studies for t in s.distinct("reproduction", "table_id")))
    if table is not None and table not in tables:
        raise NothingPrinted(
            f'--table: nothing is printed in "{table}"; there are '
            f"{', '.join(tables)}.{nearest(table, tables)}"
        )


def _chosen(study: StudyFrames, choice: Choice) -> PrintedTable | None:
    return reproduction_table(_of_table(study, choice), agrees=False if choice.differs else None)


def _chosen_statements(study: StudyFrames, choice: Choice) -> PrintedTable | None:
    return statement_table(_of_table(study, choice), holds=False if choice.differs else None)


def _of_table(study: StudyFrames, choice: Choice) -> StudyFrames:
    rows = study.frames["reproduction"]
    if choice.table is not None:
        rows = rows[rows["table_id"] == choice.table]
    return replace(study, frames=study.frames | {"reproduction": rows})


def _show_rows(table: PrintedTable | None, note: str, as_csv: bool) -> None:
    if table is None:
        return
    if as_csv:
        sys.stdout.write(to_csv(table, note))
        return
    for printed_in in dict.fromkeys(row.group for row in table.rows):
        _show_printed_table(printed_in, table, [row for row in table.rows if row.group == printed_in])


def _show_statements(table: PrintedTable | None, note: str, as_csv: bool) -> None:
    """Each statement with its verdict, and below it what was found."""
    if table is None:
        return
    if as_csv:
        sys.stdout.write(to_csv(table, note))
        return
    console.out.print(table.title, markup=False)
    for row in table.rows:
        statement, verdict, found = (row.cell(key).text for key in ("statement", "verdict", "found"))
        console.out.print(f"- {statement}: {verdict}. {found}", markup=False)
    console.out.print()


def _show_printed_table(title: str, table: PrintedTable, rows: list[Row]) -> None:
    """Print the rows, and below them each reason once, under the number by which the rows refer to it."""
    reasons = {text: i for i, text in enumerate(dict.fromkeys(filter(None, map(_remark, rows))), start=1)}
    shown = [c for c in table.columns if c.key != "reason"]
    cells = [[row.cell(c.key).text for c in shown] for row in rows]
    for row, texts in zip(rows, cells, strict=True):
        if remark := _remark(row):
            texts[-1] += f" [{reasons[remark]}]"
    console.table(title, [c.label for c in shown], cells, right=["Printed", "Computed"])
    for text, number in reasons.items():
        console.out.print(f"[{number}] {text}", markup=False)
    console.out.print()


def _remark(row: Row) -> str:
    """Why the value differs, or the tolerance within which it agrees."""
    return row.cell("reason").text or several(row.cell("computed").notes)


def _counts(study: StudyFrames) -> list[str]:
    rows = study.rows("reproduction")
    count = agreement(rows)
    text = f"{study.study_id}: {count.agree} of {count.total} printed values agree"
    values = f"{text}; {count.differ_words}" if count.differ else text
    statements = statement_words(statement_counts(rows))
    return [values, *([f"{study.study_id}: {statements}"] if statements else [])]
