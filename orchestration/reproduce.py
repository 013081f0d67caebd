"""What `myositis reproduce` shows: the rows of results.reproduction in the current release, and their count.

Belongs here: choosing rows and wording for the terminal. Does not belong here: the comparison
(`analytics/reproduction.py`), the tables (`analytics/provenance_tables.py`, which the report prints too).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from analytics.printed_table import PrintedTable, Row, several, to_csv
from analytics.provenance_tables import reproduction_table
from analytics.reproduction import agreement
from analytics.study_frames import StudyFrames
from orchestration import console
from orchestration.report_page import SYNTHETIC, read_release
from orchestration.yaml_file import nearest


class NothingPrinted(Exception):
    """No study of the release has printed numbers, or none in the table asked for."""


@dataclass(frozen=True)
class Choice:
    """Which rows to show; the count is always of all."""

    table: str | None = None
    differs: bool = False
    as_csv: bool = False


def show(release: Path, choice: Choice) -> bool:
    """Print the rows chosen and, last, how many of all printed values agree; returns whether all do."""
    content = read_release(release)
    studies = [s for s in content.studies if s.rows("reproduction")]
    if not studies:
        raise NothingPrinted(
            "no study of this release has printed numbers to compare with; put them in published/<study>/ of"
            " the registry (docs/published.md) and run: myositis run"
        )
    _check_table(studies, choice.table)
    for study in studies:
        _show_rows(_chosen(study, choice), SYNTHETIC if content.info.get("synthetic") else "", choice.as_csv)
    if not choice.as_csv:
        for study in studies:
            console.out.print(_count(study), markup=False)
    return all(row["agrees"] for study in studies for row in study.rows("reproduction"))


def _check_table(studies: list[StudyFrames], table: str | None) -> None:
    tables = list(dict.fromkeys(t for s in studies for t in s.distinct("reproduction", "table_id")))
    if table is not None and table not in tables:
        raise NothingPrinted(
            f'--table: nothing is printed in "{table}"; there are {", ".join(tables)}.'
            f"{nearest(table, tables)}"
        )


def _chosen(study: StudyFrames, choice: Choice) -> PrintedTable | None:
    rows = study.frames["reproduction"]
    if choice.table is not None:
        rows = rows[rows["table_id"] == choice.table]
    frames = replace(study, frames=study.frames | {"reproduction": rows})
    return reproduction_table(frames, agrees=False if choice.differs else None)


def _show_rows(table: PrintedTable | None, note: str, as_csv: bool) -> None:
    if table is None:
        return
    if as_csv:
        sys.stdout.write(to_csv(table, note))
        return
    for printed_in in dict.fromkeys(row.group for row in table.rows):
        rows = [_texts(table, row) for row in table.rows if row.group == printed_in]
        console.table(printed_in, [c.label for c in table.columns], rows, right=["Printed", "Computed"])
        console.out.print()


def _texts(table: PrintedTable, row: Row) -> list[str]:
    """The cells of a row; a value that agrees within a tolerance says so where others say why not."""
    cells = [row.cell(c.key) for c in table.columns]
    return [
        *(cell.text for cell in cells[:-1]),
        cells[-1].text or several(n for cell in cells for n in cell.notes),
    ]


def _count(study: StudyFrames) -> str:
    agree, total, unexplained = agreement(study.rows("reproduction"))
    text = f"{study.study_id}: {agree} of {total} printed values agree"
    differ = total - agree
    return text if not differ else f"{text}; {differ} differ, {unexplained} of them not explained"
