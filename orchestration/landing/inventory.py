"""What lies in a delivery's folder: its files with their hashes, and the identity of a load of them.

Does not belong here: what is inside a file (`exports/`), what became of a delivery (`raw/ledger.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestration.files import is_of_the_disk, is_utf8, printable, write_atomically
from orchestration.registry.folder import SUCCESS_MARKER, Registry

HASHES = "landing_hashes.json"
SETTLED_SECONDS = 3.0
KINDS = {stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}


@dataclass(frozen=True)
class DeliveredFile:
    name: str
    path: Path
    sha256: str
    bytes: int


@dataclass(frozen=True)
class NotAFile:
    """Something in a delivery that is not read: neither a file nor a folder (opening it could read another's
    file, or wait for ever), or a file that cannot be opened or named.
    """

    name: str  # relative to the delivery; "." is its folder
    kind: str
    remedy: str = "it is never followed or opened; put the file itself into the delivery"


@dataclass(frozen=True)
class Inventory:
    """The files of a delivery folder, and the identity of a load of them."""

    sender: str
    delivery: str
    files: list[DeliveredFile]
    content_sha256: str
    mapping_digest: str
    records_digest: str
    not_files: tuple[NotAFile, ...] = ()

    @property
    def load_id(self) -> str:
        parts = "\n".join((self.sender, self.delivery, self.content_sha256, self.mapping_digest))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]


def take_inventory(registry: Registry, sender: str, delivery: str) -> Inventory:
    """Hash the files of a delivery; names are relative to its folder, in order."""
    folder = registry.landing / sender / delivery
    hashes = _Hashes(registry)
    files = []
    paths, others = _delivered(folder)
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            files.append(DeliveredFile(name, path, hashes.of(path), path.stat().st_size))
        except OSError as error:
            told = f"file that cannot be read ({error.strerror})"
            others = (*others, NotAFile(name, told, "let this user read it, or ask for it again"))
    hashes.keep()
    lines = [*(f"{f.name}\t{f.sha256}" for f in files), *(f"{o.name}\t{o.kind}" for o in others)]
    content = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    records = registry.decisions_digest(date.today(), sender)
    return Inventory(sender, delivery, files, content, registry.mapping_digest(sender), records, others)


def marks(registry: Registry, sender: str, delivery: str) -> dict[str, list[int]]:
    """Marks of the files that change whenever a file of the delivery is written, even if its content stays
    the same.
    """
    found = {}
    for path in _delivered(registry.landing / sender / delivery)[0]:
        with suppress(FileNotFoundError):  # removed a moment ago: its mark is missing, so the marks differ
            found[str(path)] = _mark(path)
    return found


def _delivered(folder: Path) -> tuple[list[Path], tuple[NotAFile, ...]]:
    """The files of a delivery in order, and what is none. No link is followed."""
    if folder.is_symlink():
        return [], (NotAFile(".", KINDS[stat.S_IFLNK]),)
    files: list[Path] = []
    others: list[NotAFile] = []
    for path in sorted(folder.rglob("*")):
        try:
            kind = stat.S_IFMT(path.lstat().st_mode)
        except FileNotFoundError:
            continue
        name = path.relative_to(folder).as_posix()
        if path.name == SUCCESS_MARKER or path.name.startswith("."):
            continue
        if kind == stat.S_IFDIR:
            if not os.access(path, os.R_OK | os.X_OK):
                others.append(
                    NotAFile(printable(name), "folder that cannot be opened", "let this user read it")
                )
            continue
        if not is_utf8(name):
            others.append(
                NotAFile(printable(name), "file whose name is not UTF-8", "rename it, or ask for it again")
            )
        elif kind == stat.S_IFREG:
            files.append(path)
        else:
            others.append(NotAFile(name, KINDS.get(kind, "device")))
    return files, tuple(others)


def _mark(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


class _Hashes:
    """Hashes of files, kept beside the warehouse, so that a nightly run need not read years of deliveries
    again.

    A file counts as unchanged when its inode, size, content time and change time are the same; neither a copy
    nor a person can set the change time. A file that changed in the seconds before it was hashed might change
    again under the same time, so its hash is not kept.
    """

    def __init__(self, registry: Registry) -> None:
        self.landing = registry.landing
        self.file = registry.warehouse.with_name(HASHES)
        try:
            self.known = dict(json.loads(self.file.read_text()))
        except (OSError, ValueError):
            self.known = {}
        self.has_new = False

    def of(self, path: Path) -> str:
        mark = _mark(path)
        name = hashlib.sha256(
            path.relative_to(self.landing).as_posix().encode()
        ).hexdigest()  # the name of a file may be that of a patient
        known = self.known.get(name)
        if known and known[:-1] == mark:
            return known[-1]
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        if time.time() - mark[-1] / 1e9 > SETTLED_SECONDS:
            self.known[name] = [*mark, digest]
            self.has_new = True
        return digest

    def keep(self) -> None:
        """Without room, or on a read-only mount, nothing is kept: the next look reads the files again."""
        if not self.has_new:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.file, json.dumps(self.known), mode=0o600)
        except OSError as error:
            if not is_of_the_disk(error):
                raise
