"""Whether anything changed since the current release, and whether a build is due because of it.

Does not belong here: making a release (`candidate.py`, `publication.py`).
"""

from __future__ import annotations

from orchestration.database.warehouse_file import LOCK_WAIT_SECONDS, glance
from orchestration.registry.folder import Registry


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
    with glance(registry.warehouse, wait_seconds) as connection:
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
