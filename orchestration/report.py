"""Layer report: the page that clinicians read, with its tables and figures as files.

Belongs here: where a report goes, and its asset. Does not belong here: what it looks like (`report_page.py`).
"""

import logging
import os
import shutil
from pathlib import Path

import dagster as dg

from orchestration import second_process
from orchestration.registry import Registry
from orchestration.release import CURRENT
from orchestration.resources import current_registry

log = logging.getLogger("myositis")


def write_report(registry: Registry) -> Path:
    """Render the current release into reports/<release_id>/ and point reports/current at it; returns the HTML file."""
    from orchestration.replay import write_replay
    from orchestration.report_page import render_report

    release = (registry.releases / CURRENT).resolve()
    part = registry.reports / f".{release.stem}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    replays = [
        second_process.begin(write_replay, release, part / "replay" / study.study, study) for study in registry.studies.values()
    ]
    render_report(release, part, None)
    for written in replays:
        written()
    target = registry.reports / release.stem
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)
    link = registry.reports / ".current.new"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    os.replace(link, registry.reports / "current")
    return target / "report.html"


def report_asset() -> dg.AssetsDefinition:
    @dg.asset(
        key=["report", "study_report"],
        deps=[["release", "current"]],
        group_name="report",
        kinds={"html"},
        description="One self-contained HTML file per release, each table as CSV, each figure as SVG, PNG and PDF, and the study as an R script.",
    )
    def study_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        page = write_report(current_registry())
        log.info("report: %s", page)
        figures = sorted((page.parent / "figures").glob("*.svg"))
        return dg.MaterializeResult(metadata={
            "report": dg.MetadataValue.path(str(page)),
            "bytes": page.stat().st_size,
            **{f.stem: dg.MetadataValue.md(_inline(f.with_suffix(".png"))) for f in figures if f.with_suffix(".png").exists()},
        })

    return study_report


def _inline(picture: Path) -> str:
    import base64

    return f"![{picture.stem}](data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()})"
