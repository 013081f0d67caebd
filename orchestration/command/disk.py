"""What a person is told when the disk is full, a quota is used up, or a registry lies on a read-only mount.

Belongs here: the sentence, with the numbers that decide what to do. Does not belong here: telling such an
error from others (`files.py`).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestration.files import with_causes
from orchestration.registry.folder import Registry

MIB = 1024**2
# A delivery is unpacked, read into a scratch database and copied into the warehouse; texts take most of it.
TIMES_A_DELIVERY = 4
BESIDES = 200 * MIB  # Dagster's events, the report, what dbt writes
READ_ONLY = (os.strerror(errno.EROFS), "attempt to write a readonly database")
QUOTA = os.strerror(errno.EDQUOT)


@dataclass(frozen=True)
class Removable:
    """Files that nothing needs any more."""

    what: str
    bytes: int


def told(error: BaseException, registry: Registry | None) -> str:
    """Three sentences: what is the matter, how much is free and needed, and what can be removed."""
    words = _words(error)
    folder = registry.folder if registry else Path.cwd()
    if any(word in words for word in READ_ONLY):
        return (
            f"{folder}: it lies on a read-only mount, and this command writes there "
            f"({_where(error, folder)}). Mount it for writing, or copy the registry to where it can be "
            "written and give that with --registry. On a read-only mount these work: myositis status, "
            "queries, sql and names"
        )
    free = shutil.disk_usage(folder).free
    kind = "the quota of this user is used up" if QUOTA in words else "the disk is full, or fails"
    needs = f", and a run needs about {_size(needed(registry))}" if registry else ""
    removable = [r for r in (removables(registry) if registry else []) if r.bytes]
    can_go = "; ".join(f"{r.what} ({_size(r.bytes)})" for r in removable)
    return (
        f"{folder}: {kind}: {_size(free)} are free there{needs}. Make room, and run again: the run goes on "
        "from where it stopped, and the last release stands."
        + (
            f" What can be removed: {can_go}."
            if can_go
            else " Nothing that the registry made can be removed."
        )
        + " If there is room enough, the disk itself may be failing: look into the system's log"
    )


def needed(registry: Registry) -> int:
    """Free bytes that a run needs at most: the largest delivery several times, and one more release."""
    deliveries = [_bytes(folder.rglob("*")) for folder in registry.landing.glob("*/*") if folder.is_dir()]
    warehouse = registry.warehouse.stat().st_size if registry.warehouse.exists() else 0
    return TIMES_A_DELIVERY * max(deliveries, default=0) + warehouse + BESIDES


def removables(registry: Registry) -> list[Removable]:
    """What can go: older releases with their manifests, and older reports; each with its size."""
    current = (registry.releases / "current.duckdb").resolve().stem
    older = [p for p in registry.releases.glob("r*.*") if p.stem != current]
    pages = registry.reports / "current"
    kept = pages.resolve()
    reports = [
        file
        for folder in registry.reports.glob("*")
        if folder.is_dir() and not folder.is_symlink() and folder.resolve() != kept
        for file in folder.rglob("*")
    ]
    return [
        Removable(f"older releases, {registry.releases}/r*", _bytes(older)),
        Removable(f"older reports, {registry.reports}/*", _bytes(reports)),
        Removable(f"query lists that were sent, {registry.queries}/*", _bytes(registry.queries.rglob("*"))),
    ]


def _bytes(paths: Iterable[Path]) -> int:
    return sum(p.lstat().st_size for p in paths if p.is_file() and not p.is_symlink())


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def _where(error: BaseException, folder: Path) -> str:
    name = getattr(error, "filename", None)
    if isinstance(name, str) and Path(name).is_relative_to(folder):
        return Path(name).relative_to(folder).parts[0]
    return "warehouse, .dagster"


def _words(error: BaseException) -> str:
    """The texts of an error and of those that led to it."""
    return "\n".join(str(found) for found in with_causes(error))
