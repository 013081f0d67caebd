"""Whether anything changed since the current release, and whether a build is due because of it.

Does not belong here: making a release (`candidate.py`, `publication.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.database.warehouse_file import LOCK_WAIT_SECONDS, WarehouseBusy, warehouse
from orchestration.registry.folder import Registry

if TYPE_CHECKING:
    import dagster as dg

BUILD = "build"  # the job that makes models, release and report
TICK_WAIT_SECONDS = 5.0  # a tick of a sensor has to answer soon


def needs_build(registry: Registry, wait_seconds: float = LOCK_WAIT_SECONDS) -> bool:
    """Whether the loads in force, rules, studies, code or libraries differ from those that the current
    release was made from, the day of a row has come that lay in the future, or the release or its report is
    not whole. False while no delivery is accepted.

    Also true after an interrupted build under other rules, because tables of both remain. Raises
    WarehouseBusy if another process holds the warehouse for ``wait_seconds``.
    """
    from datetime import date

    from orchestration.database.raw_tables import BEING_BUILT, BUILT_BY_RULES, state
    from orchestration.release.identity import current_manifest, made_from
    from orchestration.release.publication import STUDIES
    from orchestration.warehouse.build import days_have_come, models_from

    manifest = current_manifest(registry)
    with warehouse(registry.warehouse, wait_seconds) as connection:
        if (
            manifest is None
            and not connection.execute("select count(*) from raw.current_load").fetchall()[0][0]
        ):
            return False
        wanted = made_from(registry, models_from(registry, connection))
        is_cut_short = (state(connection, BUILT_BY_RULES) or "").startswith(BEING_BUILT)
        if manifest is None or manifest.get("made_from") != wanted or is_cut_short:
            return True
        if days_have_come(connection, date.today()):
            return True
    if manifest["rows"].get(STUDIES, 0) < len(registry.studies):
        return True  # published without results by an older version
    return not (registry.reports / manifest["release_id"] / "report.html").exists()


def reason_not_to_build(registry: Registry, instance: dg.DagsterInstance, since: float) -> str | None:
    """Why no build needs to be launched for what was taken at ``since`` (seconds since 1970); None if one is
    due.

    If the warehouse is busy, nobody can tell: then a build is due, because one too many does less harm than
    one too few.
    """
    from orchestration.running.runs import is_to_come

    if is_to_come(instance, BUILD, since):
        return "a build that will hold this delivery is queued or under way"
    try:
        is_needed = needs_build(registry, TICK_WAIT_SECONDS)
    except WarehouseBusy:
        return None
    return None if is_needed else "the release is up to date"
