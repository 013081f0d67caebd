"""What lies in a delivery's folder: its files, hashed, and the identity that a load of them has.

Does not belong here: what is inside a file (`exports/`), what became of a delivery (`delivery_ledger.py`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestration.registry import SUCCESS_MARKER, Registry


@dataclass(frozen=True)
class DeliveredFile:
    name: str
    path: Path
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Inventory:
    """What lies in a delivery folder, and the identity that a load of it has."""

    sender: str
    delivery: str
    files: list[DeliveredFile]
    content_sha256: str
    mapping_digest: str
    records_digest: str

    @property
    def load_id(self) -> str:
        parts = "\n".join((self.sender, self.delivery, self.content_sha256, self.mapping_digest))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]


def take_inventory(registry: Registry, sender: str, delivery: str) -> Inventory:
    """Hash the files of a delivery; names are relative to its folder, in order."""
    folder = registry.landing / sender / delivery
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != SUCCESS_MARKER and not path.name.startswith("."):
            with path.open("rb") as handle:
                digest = hashlib.file_digest(handle, "sha256").hexdigest()
            files.append(DeliveredFile(path.relative_to(folder).as_posix(), path, digest, path.stat().st_size))
    content = hashlib.sha256("\n".join(f"{f.name}\t{f.sha256}" for f in files).encode()).hexdigest()
    records = registry.records_digest(date.today(), sender)
    return Inventory(sender, delivery, files, content, registry.mapping_digest(sender), records)
