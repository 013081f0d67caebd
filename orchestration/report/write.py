"""Writing the report of the current release into its folder.

Belongs here: where a report goes. Does not belong here: what it looks like (`page.py`).
"""

import shutil
from dataclasses import asdict
from datetime import date
from pathlib import Path

from orchestration.files import put_in_place, swap_link
from orchestration.queries.asked import standings
from orchestration.registry.folder import Registry
from orchestration.release.identity import CURRENT, current_manifest
from orchestration.release.publication import REMEDY, STUDIES
from orchestration.running.helper import IN_THIS_PROCESS, Helper


class NothingToReport(Exception):
    """There is no release, or the current one has no results."""


def write_report(registry: Registry, helper: Helper = IN_THIS_PROCESS) -> Path:
    """Render the current release into reports/<release_id>/ and point reports/current at it; returns the HTML
    file. Raises NothingToReport if no whole release is there.
    """
    if fault := _fault(registry):
        raise NothingToReport(f"no report: {fault}; {REMEDY}")
    from orchestration.report.page import render_report
    from orchestration.report.replay import write_replay

    release = (registry.releases / CURRENT).resolve()
    part = registry.reports / f".{release.stem}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    replays = [
        helper.submit(write_replay, release, part / "replay" / study.study, study)
        for study in registry.studies.values()
    ]
    questions = [asdict(standing) for standing in standings(registry, date.today())]
    render_report(release, part, None, helper, questions, registry)
    for written in replays:
        written.result()
    target = registry.reports / release.stem
    shutil.rmtree(target, ignore_errors=True)
    put_in_place(part, target)
    swap_link(registry.reports / "current", target.name)
    return target / "report.html"


def _fault(registry: Registry) -> str | None:
    manifest = current_manifest(registry)
    if manifest is None:
        return "there is no release yet"
    if registry.studies and not manifest["rows"].get(STUDIES):
        return f"the release {manifest['release_id']} has no results"
    return None
