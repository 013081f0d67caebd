"""Whether anything changed since the current release.

Does not belong here: making a release (`candidate.py`, `publication.py`).
"""

from __future__ import annotations

from orchestration.database.warehouse_file import LOCK_WAIT_SECONDS, glance
from orchestration.registry.folder import Registry


def needs_build(registry: Registry, wait_seconds: float = LOCK_WAIT_SECONDS) -> bool:
    """Whether the loads, rules, studies or code differ from those of the current release, or its report is
    missing. False while no delivery is accepted.

    Also true after an interrupted build under other rules, because tables of both remain.
    """
    from orchestration.database.raw_tables import BEING_BUILT, BUILT_BY_RULES, state
    from orchestration.release.identity import current_manifest, release_id

    manifest = current_manifest(registry)
    with glance(registry.warehouse, wait_seconds) as connection:
        if (
            manifest is None
            and not connection.execute("select count(*) from raw.current_load").fetchall()[0][0]
        ):
            return False
        wanted = release_id(registry, connection)
        is_cut_short = (state(connection, BUILT_BY_RULES) or "").startswith(BEING_BUILT)
    if manifest is None or manifest["release_id"] != wanted or is_cut_short:
        return True
    return not (registry.reports / wanted / "report.html").exists()
