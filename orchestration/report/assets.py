"""Layer report: the page that clinicians read, with its tables and figures as files.

Belongs here: where a report goes, and its asset. Does not belong here: what it looks like (`page.py`).
"""

import json
import logging
from pathlib import Path

import dagster as dg

from orchestration.raw.lineage import told_columns, told_to_dagster
from orchestration.registry.folder import Registry
from orchestration.report.lineage import DATA
from orchestration.report.write import NothingToReport, write_report
from orchestration.resources import current_registry
from orchestration.running.gate import GateRefused
from orchestration.running.helper import Helper
from orchestration.running.refusals import BuildRefusal

log = logging.getLogger("myositis")


def report_asset(helper: Helper) -> dg.AssetsDefinition:
    @dg.asset(
        key=["report", "study_report"],
        deps=[["release", "current"]],
        group_name="report",
        kinds={"html"},
        description="One self-contained HTML file per release, each table as CSV, each figure as SVG, PNG "
        "and PDF, and the study as an R script.",
    )
    def study_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        try:
            page = write_report(current_registry(), helper)
        except NothingToReport as nothing:
            raise GateRefused(BuildRefusal(str(nothing))) from nothing
        log.info("report: %s", page)
        figures = sorted((page.parent / "figures").glob("*.svg"))
        return dg.MaterializeResult(
            metadata={
                **_lineage(page.with_name(DATA), current_registry()),
                "report": dg.MetadataValue.path(str(page)),
                "bytes": page.stat().st_size,
                **{
                    f.stem: dg.MetadataValue.md(_inline(f.with_suffix(".png")))
                    for f in figures
                    if f.with_suffix(".png").exists()
                },
            }
        )

    return study_report


def _lineage(kept: Path, registry: Registry) -> dict[str, dg.TableSchema | dg.TableColumnLineage]:
    """The columns of every printed table, called by their table too, and what they were made from."""
    if not kept.is_file():
        return {}
    printed = {
        f"{table.removeprefix('report.')}.{column}": sources
        for table, columns in json.loads(kept.read_text(encoding="utf-8")).items()
        for column, sources in columns.items()
        if table.startswith("report.")
    }
    return {
        "dagster/column_schema": told_columns(printed),
        "dagster/column_lineage": told_to_dagster(printed, registry.mappings),
    }


def _inline(picture: Path) -> str:
    import base64

    return f"![{picture.stem}](data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()})"
