"""Publishes a candidate: checkpoint, fsync, rename, manifest, and last the link in one rename. Then old
releases are removed.

Readers see a release once the link `release/current.duckdb` points at it.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.database.raw_tables import BUILT_FROM, state
from orchestration.database.warehouse_file import warehouse
from orchestration.files import drop_parts, put_in_place, swap_link, sync_file, write_atomically
from orchestration.raw.ledger import remove_loads_out_of_force
from orchestration.registry.folder import Registry
from orchestration.release.candidate import candidate_file
from orchestration.release.identity import CURRENT, made_from, program, versions

STUDIES = "results.study"  # one row per study; all results are written in one transaction
REMEDY = "make the whole release: materialize the group release, or run: myositis run"


class NotWhole(Exception):
    """The candidate lacks its results, or they are those of another release; the last good release stays."""


def publish(registry: Registry) -> dict[str, Any]:
    """Make the candidate the current release: checkpoint, fsync, rename, manifest, and last the link in one
    rename. Raises NotWhole if the candidate has no results of its own.

    If this is killed at any moment, a reader finds either the earlier release or this one, whole. A release
    without a manifest is made again.
    """
    candidate = candidate_file(registry)
    if not candidate.is_file():
        raise NotWhole(f"nothing to publish: there is no candidate; {REMEDY}")
    with warehouse(registry.warehouse) as connection:
        models = state(connection, BUILT_FROM)
    with duckdb.connect(str(candidate)) as connection:
        if fault := _fault(registry, connection):
            raise NotWhole(f"not published: {fault}; an earlier release stays; {REMEDY}")
        identity, name = connection.execute(
            "select release_id, registry_name from release.release_info"
        ).fetchall()[0]
        tables = _tables(connection)
        rows = {t: connection.execute(f"select count(*) from {t}").fetchall()[0][0] for t in tables}
        deliveries = connection.execute(
            "select sender_id, delivery_id, content_sha256, rows_in, rows_accepted, rows_rejected "
            "from quality.delivery"
            " where load_id_in_force is not null order by all"
        ).fetchall()
        checks = connection.execute(
            "select count(*), count(*) filter (where passed), count(*) filter (where waived) "
            "from quality.check_result"
        ).fetchall()[0]
        connection.execute("checkpoint")
    target = registry.releases / f"{identity}.duckdb"
    is_there = _is_whole(target)
    if not is_there:
        sync_file(candidate)
    manifest = {
        "release_id": identity,
        "registry": name,
        "synthetic": registry.file.synthetic,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_from": made_from(registry, models),
        "sha256": _file_sha256(target if is_there else candidate),
        "rows": rows,
        "checks": dict(zip(("run", "passed", "waived"), checks)),
        "versions": versions(),
        "program": program(),
        "deliveries": [
            dict(
                zip(
                    (
                        "sender_id",
                        "delivery_id",
                        "content_sha256",
                        "rows_in",
                        "rows_accepted",
                        "rows_rejected",
                    ),
                    d,
                )
            )
            for d in deliveries
        ],
        "studies": {s: _file_sha256(registry.folder / "studies" / f"{s}.yml") for s in registry.studies},
    }
    if is_there:  # the same name is the same content, and somebody may be reading that file
        candidate.unlink()
    else:
        candidate.chmod(
            candidate.stat().st_mode & 0o444
        )  # nobody writes to it; who reads it, the umask has said
        # A damaged release of the same name may be there. Its manifest is removed first, so that no manifest
        # ever describes another file.
        target.with_suffix(".json").unlink(missing_ok=True)
        put_in_place(candidate, target, durable=True)
    write_atomically(
        target.with_suffix(".json"), json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", durable=True
    )
    swap_link(registry.releases / CURRENT, target.name, durable=True)
    drop_parts(registry.releases)
    _drop_old(registry, keep=identity)
    return manifest


def _fault(registry: Registry, candidate: duckdb.DuckDBPyConnection) -> str | None:
    """What keeps a candidate from being published: its identity or results are absent, or its results name
    another release or lack a study.
    """
    tables = _tables(candidate)
    if "release.release_info" not in tables:
        return "the candidate is not a whole copy of the marts"
    if registry.studies and STUDIES not in tables:
        return "the candidate has no results"
    ((identity,),) = candidate.execute("select release_id from release.release_info").fetchall()
    for table in tables:
        if not table.startswith("results."):
            continue
        found = candidate.execute(f"select distinct release_id from {table}").fetchall()
        if others := [other for (other,) in found if other != identity]:
            return f"{table} of the candidate {identity} holds results of {others[0]}"
    if registry.studies:
        computed = {s for (s,) in candidate.execute(f"select study_id from {STUDIES}").fetchall()}
        if left_out := sorted(registry.studies.keys() - computed):
            return f"the candidate has no results of the studies {', '.join(left_out)}"
    return None


def _is_whole(release: Path) -> bool:
    """Whether the release is there as its manifest describes it."""
    try:
        manifest = json.loads(release.with_suffix(".json").read_text(encoding="utf-8"))
        return bool(manifest["sha256"] == _file_sha256(release))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [
        table
        for (table,) in connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables order by 1"
        ).fetchall()
    ]


def _file_sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _drop_old(registry: Registry, keep: str) -> None:
    files = sorted(registry.releases.glob("r*.duckdb"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in files[registry.file.keep_releases :]:
        if path.stem != keep:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink()


def forget_loads_out_of_force(registry: Registry) -> None:
    """After a release, remove the raw rows of replaced and refused loads. The ledger still
    records the loads.
    """
    with warehouse(registry.warehouse) as connection:
        remove_loads_out_of_force(connection)
