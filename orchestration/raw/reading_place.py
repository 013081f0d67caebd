"""Where a delivery is unpacked, read and judged: a folder of this user alone, which goes afterwards.

It holds what files held, identifiers too. Its process holds a lock on it. A process that is killed cannot
remove its folder; the next one that reads finds it without a lock, and removes it. Does not belong here: what
is done in it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestration.registry.folder import Registry

PREFIX = "reading-"
LOCK = ".reading.lock"


@contextmanager
def reading_place(registry: Registry) -> Iterator[Path]:
    """A new folder (0700) beside the warehouse. What dead processes left there is removed first."""
    at = registry.warehouse.parent
    at.mkdir(parents=True, exist_ok=True)
    with _alone(at):
        _sweep(at)
        place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=at))
        held = os.open(place, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(held)


def sweep(registry: Registry) -> None:
    """Remove the folders of processes that have ended."""
    at = registry.warehouse.parent
    if any(at.glob(f"{PREFIX}*")):
        with _alone(at):
            _sweep(at)


def _sweep(at: Path) -> None:
    for place in at.glob(f"{PREFIX}*"):
        with suppress(OSError):  # held by a living process, or gone
            handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place, ignore_errors=True)
            finally:
                os.close(handle)


@contextmanager
def _alone(at: Path) -> Iterator[None]:
    """No other process makes or sweeps a folder meanwhile: a new one has no lock for a moment."""
    with (at / LOCK).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
