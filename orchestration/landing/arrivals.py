"""What lies in landing: whether a delivery is complete, and which folders nobody reads.

Does not belong here: what the ledger says of a delivery (`raw/outstanding.py`).
"""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestration.files import is_utf8, printable
from orchestration.registry.folder import SUCCESS_MARKER, Registry


def is_complete(registry: Registry, sender: str, delivery: str, now: float | None = None) -> bool:
    """Whether all of a delivery has arrived.

    It has when a `_SUCCESS` marker arrived last. Without a marker, or with one that came before other files,
    it has when nothing has changed for the registry's quiet seconds, and no program still writes to a file.
    """
    folder = registry.landing / sender / delivery
    try:
        paths = [path for path in folder.rglob("*") if path.name != SUCCESS_MARKER]
        # The time at which this system was told of a change: a copy may bring an old time of content along.
        changed = {path: path.lstat().st_ctime for path in paths}
        marker = folder / SUCCESS_MARKER
        if marker.exists() and changed and marker.lstat().st_ctime >= max(changed.values()):
            return True
        times = [max(path.lstat().st_mtime, path.lstat().st_ctime) for path in [folder, *paths]]
    except FileNotFoundError:  # a file that a copying program renames or removes
        return False
    is_quiet = (now or time.time()) - max(times) >= registry.file.quiet_seconds
    return is_quiet and not any(_is_written_to(path) for path in paths if stat.S_ISREG(path.lstat().st_mode))


def _is_written_to(path: Path) -> bool:
    """Whether a program has the file open for writing, as a copy that pauses does (on Linux)."""
    with suppress(OSError, AttributeError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            # If a program opens the file in between, the system sends this process a signal; SIGURG ends no
            # process.
            fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)  # refused while another has it open to write
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
    return False


@dataclass(frozen=True)
class Stray:
    """A folder in landing that is not read now: its sender has no mapping, or the delivery is
    still arriving.
    """

    folder: Path
    sender: str
    delivery: str | None = None

    def sentence(self) -> str:
        if not is_utf8(self.folder.name):
            place = printable(str(Path(self.sender) / self.folder.name if self.delivery else self.sender))
            return f"landing/{place}: the name of this folder is not UTF-8; rename it, and run again"
        if self.delivery is not None:
            return (
                f"landing/{self.sender}/{self.delivery}: still arriving (no {SUCCESS_MARKER} after its last "
                "file, and files changed a moment ago or are still written to); left for the next run"
            )
        return (
            f"landing/{self.sender}: no mapping reads this sender; write hospitals/{self.sender}.yml"
            f" or draft it: myositis onboard {self.sender} {self.folder}"
        )


def strays(registry: Registry) -> Iterator[Stray]:
    """The folders in landing that no run would read now."""
    if not registry.landing.is_dir():
        return
    for folder in sorted(registry.landing.iterdir()):
        if folder.is_dir() and folder.name not in registry.mappings:
            yield Stray(folder, folder.name)
    for sender in registry.mappings:
        for folder in registry.delivery_folders(sender):
            if not is_utf8(folder.name):
                yield Stray(folder, sender, folder.name)
        for delivery in registry.deliveries(sender):
            if not is_complete(registry, sender, delivery):
                yield Stray(registry.landing / sender / delivery, sender, delivery)
