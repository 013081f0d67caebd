"""Writing the reports of the current release into their folders.

Belongs here: where a report goes, and the replay that goes with it. Does not belong here: what a report looks
like (`page.py`, `public.py`).
"""

import shutil
from dataclasses import asdict
from datetime import date
from pathlib import Path

from orchestration.files import make_private_folder, put_folder_in_place, swap_link
from orchestration.queries.asked import standings
from orchestration.registry.folder import Registry
from orchestration.release.identity import CURRENT, current_manifest
from orchestration.release.publication import REMEDY, STUDIES
from orchestration.running.helper import IN_THIS_PROCESS, Helper


class NothingToReport(Exception):
    """There is no release, or the current one has no results."""


def write_report(registry: Registry, helper: Helper = IN_THIS_PROCESS) -> Path:
    """Render the current release into reports/<release_id>/, and its replay, which holds rows of single
    patients, into private/replay/<release_id>/; returns the HTML file. Raises
    NothingToReport if no whole release is there.
    """
    if fault := fault_of(registry):
        raise NothingToReport(f"no report: {fault}; {REMEDY}")
    from orchestration.report.page import render_report
    from orchestration.report.replay import write_replay

    release = (registry.releases / CURRENT).resolve()
    part = _new_part(registry.reports, release.stem)
    replay = _new_part(make_private_folder(registry.replays), release.stem)
    written = [
        helper.submit(write_replay, release, replay / study.study, study)
        for study in registry.studies.values()
    ]
    questions = [asdict(standing) for standing in standings(registry, date.today())]
    render_report(release, part, None, helper, questions, registry)
    for files in written:
        files.result()
    replay.chmod(0o700)
    make_current(replay, registry.replays, release.stem)
    forget_rows_of_single_patients(registry)
    return make_current(part, registry.reports, release.stem) / "report.html"


def write_public_report(registry: Registry) -> Path:
    """Write what may leave the house of the current release into public/<release_id>/; returns the HTML
    file.
    """
    if fault := fault_of(registry):
        raise NothingToReport(f"no report: {fault}; {REMEDY}")
    from orchestration.report.public import render_public

    release = (registry.releases / CURRENT).resolve()
    part = _new_part(registry.public, release.stem)
    render_public(release, part, ledger=registry.published_ledger)
    return make_current(part, registry.public, release.stem) / "report.html"


def _new_part(folder: Path, name: str) -> Path:
    part = folder / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def make_current(part: Path, folder: Path, name: str) -> Path:
    """Put the complete folder ``part`` at ``folder/name``, and lead the link `current` there."""
    put_folder_in_place(part, folder / name)
    swap_link(folder / "current", name)
    for left in folder.glob(".current.*.part"):  # links of processes that were killed as they swapped
        left.unlink(missing_ok=True)
    return folder / name


def forget_rows_of_single_patients(registry: Registry) -> None:
    """Remove replays of releases that are gone, what killed processes left of one, and the replays that
    earlier versions wrote beside the report.
    """
    gone = [f for f in registry.replays.glob("r*") if not (registry.releases / f"{f.name}.duckdb").exists()]
    for folder in (*gone, *registry.replays.glob(".*.part"), *registry.reports.glob("*/replay")):
        shutil.rmtree(folder, ignore_errors=True)


def fault_of(registry: Registry) -> str | None:
    """What keeps the current release from being reported."""
    manifest = current_manifest(registry)
    if manifest is None:
        return "there is no release yet"
    if registry.studies and not manifest["rows"].get(STUDIES):
        return f"the release {manifest['release_id']} has no results"
    return None
