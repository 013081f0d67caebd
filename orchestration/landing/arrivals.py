"""What lies in landing: whether a delivery is complete, and which folders nobody reads.

Does not belong here: what the ledger says of a delivery (`raw/outstanding.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestration.registry.folder import SUCCESS_MARKER, Registry


def is_complete(registry: Registry, sender: str, delivery: str, now: float | None = None) -> bool:
    """Whether there is a `_SUCCESS` marker, or no file has changed its size or time for the registry's quiet
    seconds.
    """
    folder = registry.landing / sender / delivery
    if (folder / SUCCESS_MARKER).exists():
        return True
    try:
        times = [p.lstat().st_mtime for p in [folder, *folder.rglob("*")]]
    except FileNotFoundError:  # a file that a copying program renames or removes
        return False
    return (now or time.time()) - max(times) >= registry.file.quiet_seconds


@dataclass(frozen=True)
class Stray:
    """A folder in landing that is not read now: its sender has no mapping, or the delivery is
    still arriving.
    """

    folder: Path
    sender: str
    delivery: str | None = None

    def sentence(self) -> str:
        if self.delivery is not None:
            return (
                f"landing/{self.sender}/{self.delivery}: still arriving (no {SUCCESS_MARKER}, files changed a moment ago);"
                " left for the next run"
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
        for delivery in registry.deliveries(sender):
            if not is_complete(registry, sender, delivery):
                yield Stray(registry.landing / sender / delivery, sender, delivery)
