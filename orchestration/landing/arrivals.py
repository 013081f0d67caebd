"""What lies in landing: whether a delivery is complete, and what nobody reads.

Does not belong here: what the ledger says of a delivery (`raw/outstanding.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from orchestration.registry.folder import SUCCESS_MARKER, Registry


def is_complete(registry: Registry, sender: str, delivery: str, now: float | None = None) -> bool:
    """A `_SUCCESS` marker, or files whose size and time have not moved for the registry's quiet seconds."""
    folder = registry.landing / sender / delivery
    if (folder / SUCCESS_MARKER).exists():
        return True
    try:
        times = [p.stat().st_mtime for p in [folder, *folder.rglob("*")]]
    except FileNotFoundError:  # a file that a copying program renames or removes; a link to nothing
        return False
    return (now or time.time()) - max(times) >= registry.file.quiet_seconds


def strays(registry: Registry) -> Iterator[str]:
    """Sentences on what lies in landing and belongs to no mapping."""
    if not registry.landing.is_dir():
        return
    for folder in sorted(registry.landing.iterdir()):
        if folder.is_dir() and folder.name not in registry.mappings:
            yield (
                f"landing/{folder.name}: no mapping reads this sender; write hospitals/{folder.name}.yml"
                f" or draft it: myositis onboard {folder.name} {folder}"
            )
    for sender in registry.mappings:
        for delivery in registry.deliveries(sender):
            if not is_complete(registry, sender, delivery):
                yield f"landing/{sender}/{delivery}: still arriving (no {SUCCESS_MARKER}, files changed a moment ago); left for the next run"
