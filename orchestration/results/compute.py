"""Every study's tables, computed from the candidate release and written into it.

Belongs here: reading the candidate, writing schema results. Does not belong here: any statistics
(`analytics/`), which tables there are (`analytics/study/result_tables.py`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from analytics.study.result_tables import RESULT_TABLES
from orchestration.registry.folder import Registry
from orchestration.release.candidate import candidate_file
from orchestration.release.descriptions import describe, of_results

if TYPE_CHECKING:
    import pandas as pd

TABLES = {table.name: table.description for table in RESULT_TABLES}
PREVIEW_ROWS = 12


@dataclass(frozen=True)
class WrittenTable:
    """What is reported of a table of results: its rows, those with a remark, and its first rows
    as Markdown.
    """

    name: str
    rows: int
    remarks: int
    preview: str


def compute_and_write(registry: Registry) -> list[WrittenTable]:
    """Compute all results of all studies, and write them into the candidate."""
    found = compute(registry)
    write(candidate_file(registry), found)
    return [
        WrittenTable(
            name,
            len(frame),
            int((frame["status"] != "ok").sum()) if "status" in frame else 0,
            _preview(frame),
        )
        for name, frame in found.items()
    ]


def compute(registry: Registry) -> dict[str, "pd.DataFrame"]:
    """All results of all studies, with the study and the release in each row."""
    import pandas as pd

    from analytics.paper.reproduction import reproduce
    from analytics.paper.statement_evidence import evidence
    from analytics.study import results as study_results
    from analytics.study.cohort import build_cohort

    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    with duckdb.connect(str(candidate_file(registry)), read_only=True) as connection:
        frames = _frames(connection)
        ((identity,),) = connection.execute("select release_id from release.release_info").fetchall()
    for study in registry.studies.values():
        found = study_results.run_study(study, frames)
        paper = registry.papers.get(study.study)
        judged_by = (
            evidence(paper, build_cohort(study, frames), found) if paper and paper.statements else None
        )
        found["reproduction"] = reproduce(paper, found, judged_by)
        if undeclared := sorted(found.keys() - TABLES.keys()):
            raise ValueError(
                f"results: study {study.study} made {', '.join(undeclared)}, which"
                " analytics/study/result_tables.py does not declare; declare it there"
            )
        for name, frame in study_results.stamp(found, study.study, identity).items():
            parts[name].append(frame)
    return {
        name: pd.concat(found, ignore_index=True) if found else pd.DataFrame()
        for name, found in parts.items()
    }


def write(path: Path, results: dict[str, "pd.DataFrame"]) -> None:
    """Write the results into schema results of the candidate, in one transaction."""
    with duckdb.connect(str(path)) as connection:
        connection.begin()
        for name, frame in results.items():
            if len(frame.columns):
                connection.register("frame", _of_plain_texts(frame))
                connection.execute(f"create or replace table results.{name} as select * from frame")
                connection.unregister("frame")
        describe(connection, of_results())
        connection.commit()


def _of_plain_texts(frame: "pd.DataFrame") -> "pd.DataFrame":
    """DuckDB reads exact `str` only; a label of two languages is more than that."""
    return frame.assign(
        **{
            name: values.map(lambda v: str(v) if isinstance(v, str) else v).astype(object)
            for name, values in frame.select_dtypes(object).items()
        }
    )


def _frames(connection: duckdb.DuckDBPyConnection) -> dict[str, "pd.DataFrame"]:
    """The tables of the release that studies read, under their own names."""
    from analytics.study.cohort import FRAMES

    there = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'release'"
    ).fetchall()
    return {
        name: connection.execute(f"select * from release.{name}").df() for (name,) in there if name in FRAMES
    }


def _preview(frame: "pd.DataFrame") -> str:
    """The first rows as a Markdown table."""
    if frame.empty:
        return "no rows"
    frame = frame.drop(columns=["study_id", "release_id"], errors="ignore").head(PREVIEW_ROWS)
    shown = frame.map(
        lambda v: f"{v:.4g}" if isinstance(v, float) else "" if v is None else str(v).replace("|", "/")
    )
    lines = ["| " + " | ".join(map(str, shown.columns)) + " |", "|" + "---|" * len(shown.columns)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in shown.itertuples(index=False)])
