"""Layer results: every study's tables, computed from the candidate release and written into it.

Belongs here: reading the candidate, writing schema results, previews. Does not belong here: any statistics
(`analytics/`).
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import duckdb

from orchestration import second_process
from orchestration.raw import POOL
from orchestration.registry import Registry
from orchestration.release import candidate_file
from orchestration.resources import current_registry

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("myositis")

TABLES = {
    "study": "What a study asks. One row per study.",
    "study_group": "Who is compared. One row per study and group.",
    "study_variable": "Labels and units. One row per study and variable.",
    "study_endpoint": "What ends the time. One row per study and endpoint.",
    "study_table": "The tables of a study. One row per study and table.",
    "cohort_flow": "Who counts for each analysis and why not, as counts. One row per study, analysis, step and group.",
    "baseline_summary": "One row per table, variable and group.",
    "group_comparison": "One row per table, variable and pair of groups.",
    "model": "What was fitted, how, and whether it can be used. One row per model.",
    "mixed_model_term": "Type III tests. One row per model, term and test.",
    "mixed_model_parameter": "Fixed effects, variances, correlations. One row per model and parameter.",
    "visit_contrast": "Differences between groups at each visit. One row per model, visit and pair.",
    "marginal_mean": "Estimated means. One row per model, group and visit.",
    "trajectory_patient": "Single courses, numbered without meaning. One row per response, course and visit.",
    "trajectory_mean": "Means and quartiles by visit. One row per response, group and visit.",
    "survival_curve": "Kaplan-Meier. One row per endpoint, group and time.",
    "survival_at_risk": "Numbers at risk. One row per endpoint, group and time asked for.",
    "survival_median": "Median times. One row per endpoint and group.",
    "log_rank": "Overall and pairwise tests. One row per endpoint, scope and pair.",
    "cox_term": "Hazard ratios. One row per model and term.",
    "restricted_mean": "Mean time without the event up to a horizon. One row per endpoint and group, then pair.",
    "cumulative_incidence": "Incidence by cause where events compete. One row per model, group, cause and time.",
    "gray_test": "Equal incidence in all groups. One row per model and cause.",
    "sensitivity": "What else the study could have said. One row per analysis, label and variant.",
    "sensitivity_question": "The question of each analysis and its answer. One row per analysis.",
    "norm_band": "What healthy people of an age score, with its source. One row per analysis and band.",
    "norm_patient": "Scores at the age of the visit, numbered without meaning. One row per analysis, patient and visit.",
    "finding": "What the numbers can and cannot say. One row per finding.",
    "reproduction": "Printed values beside computed ones. One row per value that the publication"
    " printed, and one per statement of its text.",
}
PREVIEW_ROWS = 12


@dataclass(frozen=True)
class WrittenTable:
    """What is told of a table of results: its rows, those with a remark, and its head as Markdown."""

    name: str
    rows: int
    remarks: int
    preview: str


def compute_and_write(registry: Registry) -> list[WrittenTable]:
    """All results of all studies, laid into the candidate."""
    found = compute(registry)
    write(candidate_file(registry), found)
    return [
        WrittenTable(name, len(frame), int((frame["status"] != "ok").sum()) if "status" in frame else 0, _preview(frame))
        for name, frame in found.items()
    ]


def compute(registry: Registry) -> dict[str, "pd.DataFrame"]:
    """All results of all studies, stamped with study and release."""
    import pandas as pd

    from analytics import study_results
    from analytics.cohort import build_cohort
    from analytics.reproduction import reproduce
    from analytics.statement_evidence import evidence

    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    with duckdb.connect(str(candidate_file(registry)), read_only=True) as connection:
        frames = read_frames(connection, "release")
        identity = frames["release_info"]["release_id"].iloc[0]
    for study in registry.studies.values():
        found = study_results.run_study(study, frames)
        paper = registry.papers.get(study.study)
        has_statements = paper is not None and bool(paper.statements)
        judged_by = evidence(paper, build_cohort(study, frames), found) if has_statements else None
        found["reproduction"] = reproduce(paper, found, judged_by)
        for name, frame in study_results.stamp(found, study.study, identity).items():
            parts[name].append(frame)
    return {name: pd.concat(found, ignore_index=True) if found else pd.DataFrame() for name, found in parts.items()}


def write(path: Path, results: dict[str, "pd.DataFrame"]) -> None:
    """Lay the results into schema results of the candidate, in one transaction."""
    with duckdb.connect(str(path)) as connection:
        connection.begin()
        for name, frame in results.items():
            if len(frame.columns):
                connection.register("frame", frame)
                connection.execute(f"create or replace table results.{name} as select * from frame")
                connection.unregister("frame")
        connection.commit()


def read_frames(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, "pd.DataFrame"]:
    """Every table of a schema as a data frame, under its own name."""
    names = connection.execute(
        "select table_name from information_schema.tables where table_schema = ? order by 1", [schema]
    ).fetchall()
    return {name: connection.execute(f"select * from {schema}.{name}").df() for (name,) in names}


def results_asset() -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="results",
        specs=[
            dg.AssetSpec(["results", name], deps=[["release", "candidate"]], group_name="results", kinds={"pandas", "duckdb"},
                         description=text)
            for name, text in TABLES.items()
        ],
        pool=POOL,
    )
    def results(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        computed = second_process.begin(compute_and_write, current_registry())
        second_process.prepare_meanwhile(second_process.DRAWING)
        written = computed()
        log.info(
            "results: %d tables, %d rows, %d with a remark",
            len(written), sum(t.rows for t in written), sum(t.remarks for t in written),
        )
        for table in written:
            yield dg.MaterializeResult(
                asset_key=["results", table.name],
                metadata={"dagster/row_count": table.rows, "preview": dg.MetadataValue.md(table.preview)},
            )

    return results


def _preview(frame: "pd.DataFrame") -> str:
    """The first rows as a Markdown table."""
    if frame.empty:
        return "no rows"
    frame = frame.drop(columns=["study_id", "release_id"], errors="ignore").head(PREVIEW_ROWS)
    shown = frame.map(lambda v: f"{v:.4g}" if isinstance(v, float) else "" if v is None else str(v).replace("|", "/"))
    lines = ["| " + " | ".join(map(str, shown.columns)) + " |", "|" + "---|" * len(shown.columns)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in shown.itertuples(index=False)])
