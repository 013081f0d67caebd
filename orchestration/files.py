"""Writes files and links so that they appear whole or not at all, whatever happens to the process that writes
them.

Belongs here: the rename at the end of every write that a reader, or the next run, must never see half done;
telling a fault of the disk from others; names that are not UTF-8. Does not belong here: what a file says.

A killed process may leave a hidden part file, `.<name>.<letters>.part`; nothing reads such files.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

# no room, a quota, a mount that is read only, a disk that fails
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
SAID_OF_THE_DISK = (  # by SQLite, whose errors carry no number
    "database or disk is full",
    "disk I/O error",
    "attempt to write a readonly database",
    *map(os.strerror, OF_THE_DISK),
)


def is_of_the_disk(error: BaseException) -> bool:
    """Whether our disk, and nothing that was read, is why an error was raised, or one that led to it."""
    return any(
        getattr(found, "errno", None) in OF_THE_DISK or any(words in str(found) for words in SAID_OF_THE_DISK)
        for found in with_causes(error)
    )


def with_causes(error: BaseException) -> list[BaseException]:
    """An error and those that led to it, each once: two errors may each be what the other was raised from."""
    found: list[BaseException] = []
    nearest: BaseException | None = error
    while nearest is not None and not any(nearest is one for one in found):
        found.append(nearest)
        nearest = nearest.__cause__ or nearest.__context__
    return found


def is_utf8(name: str) -> bool:
    """Whether a file's name is UTF-8. Python puts a surrogate in the place of each byte that is not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    """The name of a file, with each byte that is not UTF-8 written as ``\\xfc``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def write_atomically(path: Path, content: str | bytes, *, durable: bool = False, mode: int = 0o666) -> Path:
    """Write ``content`` to ``path`` in one rename, replacing the file that was there; returns ``path``.

    ``durable``: the file also survives a power cut. ``mode``: who may read it, less what the umask takes
    away. When two processes write the same file, their contents never mix: each writes a part file of its
    own, and the last rename wins.
    """
    part = _written(path, content, durable=durable, mode=mode)
    put_in_place(part, path, durable=durable)
    return path


def create_atomically(path: Path, content: str | bytes, *, mode: int = 0o666) -> bool:
    """Make ``path`` durably with ``content``; False if the file exists, or if another process made it
    meanwhile.
    """
    part = _written(path, content, durable=True, mode=mode)
    try:
        os.link(part, path)  # a rename would replace the file of the process that came first
    except FileExistsError:
        return False
    finally:
        part.unlink()
    sync_folder(path.parent)
    return True


def make_private_folder(path: Path) -> Path:
    """Make ``path``, and the folders above it that are missing, for its owner alone."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    return path


def put_in_place(made: Path, path: Path, *, durable: bool = False) -> None:
    """Rename a complete file to ``path``, or a complete folder to a name that is free."""
    os.replace(made, path)
    if durable:
        sync_folder(path.parent)


def put_folder_in_place(made: Path, path: Path) -> None:
    """Rename a complete folder to ``path``. A folder that is there is exchanged for it in one step, and then
    removed; a file system that cannot exchange two names has neither of them for a moment.
    """
    if not path.exists():
        os.replace(made, path)
        return
    former = made
    if not _exchange(made, path):
        former = part_of(path)
        os.replace(path, former)
        os.replace(made, path)
    shutil.rmtree(former, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names by Linux's renameat2; False where the system or the file system has no such call."""
    at_working_directory, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    if call is None:
        return False
    return bool(
        call(at_working_directory, os.fsencode(one), at_working_directory, os.fsencode(other), exchange) == 0
    )


def swap_link(link: Path, target: str, *, durable: bool = False) -> None:
    """Point ``link`` at ``target`` in one rename: whoever opens it finds the old target or the new one.

    A folder that stands in its place, as a copy of the registry without links has it, is removed.
    """
    part = part_of(link)
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    part.symlink_to(target)
    put_in_place(part, link, durable=durable)


def drop_parts(folder: Path) -> None:
    """Remove the part files that killed processes left in ``folder``. Only for a folder to which one process
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
    part = part_of(path)
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


def part_of(path: Path) -> Path:
    """A new name for a part file beside ``path``."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
