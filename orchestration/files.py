"""Files and links that appear whole or not at all, whatever happens to the process that writes them.

Belongs here: the rename at the end of every write that a reader, or the next run, must never see half done.
Does not belong here: what a file says.

A process that is killed may leave its part, a hidden file `.<name>.<letters>.part`; nobody reads one.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, *, durable: bool = False, mode: int = 0o666) -> Path:
    """Put ``content`` under ``path`` in one rename, in place of what stood there; returns ``path``.

    ``durable``: the file also outlives a power cut. ``mode``: who may read it, less what the umask takes
    away. Two processes that write the same file never mix: each has a part of its own, and the last rename
    counts.
    """
    part = _written(path, content, durable=durable, mode=mode)
    put_in_place(part, path, durable=durable)
    return path


def create_atomically(path: Path, content: str | bytes, *, mode: int = 0o666) -> bool:
    """Make ``path`` durably with ``content``; False when it exists, or another process made it in the
    meantime.
    """
    part = _written(path, content, durable=True, mode=mode)
    try:
        os.link(part, path)  # a rename would replace the file of the process that was first
    except FileExistsError:
        return False
    finally:
        part.unlink()
    sync_folder(path.parent)
    return True


def put_in_place(made: Path, path: Path, *, durable: bool = False) -> None:
    """Rename a file that is complete, or a folder where none stands, to ``path``."""
    os.replace(made, path)
    if durable:
        sync_folder(path.parent)


def swap_link(link: Path, target: str, *, durable: bool = False) -> None:
    """Point ``link`` at ``target`` in one rename: whoever opens it finds the old target or the new one."""
    part = _part_of(link)
    part.symlink_to(target)
    put_in_place(part, link, durable=durable)


def drop_parts(folder: Path) -> None:
    """Remove what killed processes left half written in ``folder``; for a folder that one process alone
    writes at a time.
    """
    for part in folder.glob(".*.part"):
        part.unlink()


def sync_file(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


sync_folder = sync_file  # to the operating system a folder is a file of names


def _written(path: Path, content: str | bytes, *, durable: bool, mode: int) -> Path:
    data = content.encode("utf-8") if isinstance(content, str) else content
    part = _part_of(path)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as handle:
        try:
            handle.write(data)
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        except BaseException:
            with suppress(FileNotFoundError):
                part.unlink()
            raise
    return part


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
