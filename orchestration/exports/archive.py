"""Compressed files and zip archives: their members unpacked to files, within limits.

Belongs here: everything that makes an archive dangerous (bombs, names that leave the folder, passwords,
archives in archives). Does not belong here: what the members are.
"""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .encodings import ranking
from .errors import ExportFault, did_you_mean, name_list, named
from .limits import (
    ARCHIVE_MEMBERS,
    CHUNK_BYTES,
    GIB,
    RATIO_FREE_BYTES,
    UNPACKED_BYTES,
    UNPACKED_RATIO,
    WORKBOOK_UNPACKED_BYTES,
)

OPENERS: dict[str, Callable[..., Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
ARCHIVES = ("zip", "gz", "bz2", "xz")
FURNITURE = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile, OSError)


def unpacked(path: Path, kind: str, pattern: str | None, workdir: Path) -> Iterator[tuple[Path, str]]:
    """Files in ``workdir``, each with the name of its member. A compressed file has one member, without a
    name.
    """
    if kind == "zip":
        yield from _zip_members(path, pattern, workdir)
    else:
        target = workdir / "unpacked"
        with OPENERS[kind](path, "rb") as stream:
            _unpack(stream, target, path.stat().st_size, UNPACKED_BYTES)
        yield target, ""


def member_names(path: Path) -> list[str]:
    """Names of the files in a zip archive; nothing is unpacked."""
    with _opened(path) as archive:
        return list(checked_members(archive, path.stat().st_size, UNPACKED_BYTES))


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise damaged_archive() from None


def _zip_members(path: Path, pattern: str | None, workdir: Path) -> Iterator[tuple[Path, str]]:
    with _opened(path) as archive:
        members = checked_members(archive, path.stat().st_size, UNPACKED_BYTES)
        wanted = {n: i for n, i in members.items() if pattern is None or fnmatch.fnmatchcase(n, pattern)}
        if not wanted:
            what = f'no member "{pattern}"' if pattern else "no member"
            raise ExportFault(
                "missing_member",
                found=f"an archive with {what}; it holds {name_list(members, kind='member') or 'nothing'}",
                expected="a member to read",
                remedy="Correct `member`." + did_you_mean(pattern or "", members, "member"),
            )
        for number, (name, info) in enumerate(wanted.items()):
            target = workdir / f"member_{number}{PurePosixPath(name).suffix.lower()}"
            try:
                with archive.open(info) as stream:
                    _unpack(stream, target, max(info.compress_size, 1), info.file_size)
            except (NotImplementedError, RuntimeError):
                raise ExportFault(
                    "unsupported_archive",
                    found=f"member {named('member', name)} packed in a way that is not read here",
                    expected="deflate, bzip2 or LZMA",
                    remedy="Pack it again as an ordinary zip, or send it unpacked.",
                ) from None
            yield target, name


def checked_members(archive: zipfile.ZipFile, packed: int, most: int) -> dict[str, zipfile.ZipInfo]:
    """Members by name, not unpacked yet. A fault if any of them, or all together, exceed a limit or break a
    rule.
    """
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > ARCHIVE_MEMBERS:
        raise _bomb(f"{len(infos):,} members", f"at most {ARCHIVE_MEMBERS:,}")
    total = sum(info.file_size for info in infos)
    if total > most:
        raise _bomb(f"{total / GIB:,.0f} GiB when unpacked", f"at most {most / GIB:,.0f} GiB")
    if total > RATIO_FREE_BYTES and total > packed * UNPACKED_RATIO:
        raise _bomb(
            f"members {total // max(packed, 1):,} times their packed size",
            f"at most {UNPACKED_RATIO:,} times",
        )
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = _member_name(info)
        if FURNITURE.search(name):
            continue
        if info.flag_bits & 1:
            raise ExportFault(
                "encrypted",
                found=f"member {named('member', name)} with a password",
                expected="one that opens without",
                remedy="Ask for it without a password; send it over a protected channel instead.",
            )
        if _leaves_folder(name) or stat.S_ISLNK(info.external_attr >> 16):
            raise ExportFault(
                "unsafe_member_name",
                found=f"a member that leads out of the archive, {named('member', name[:200])}",
                expected="plain names",
                remedy="Do not open it; ask who made the archive.",
            )
        if name in members:
            raise ExportFault(
                "duplicate_member",
                found=f"two members {named('member', name)}",
                expected="every member once",
                remedy="Ask for the archive again, with each member once.",
            )
        members[name] = info
    return members


def _leaves_folder(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return ".." in parts or name.startswith(("/", "\\")) or bool(re.match(r"[A-Za-z]:", name)) or "\0" in name


def _member_name(info: zipfile.ZipInfo) -> str:
    """The name as its writer meant it: without the UTF-8 flag, Windows writes it in the local encoding."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    try:
        raw = info.filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        likely = ranking(raw)
        return raw.decode(likely[0][0], "replace") if likely and likely[0][1] > 0 else info.filename


def _unpack(stream: IO[bytes], target: Path, packed: int, most: int) -> None:
    """Copy and count, because the sizes that an archive states cannot be trusted."""
    written = 0
    try:
        with target.open("wb") as out:
            while block := stream.read(CHUNK_BYTES):
                written += len(block)
                if written > most or (written > RATIO_FREE_BYTES and written > packed * UNPACKED_RATIO):
                    raise _bomb(
                        "more unpacked than it may hold", f"at most {UNPACKED_RATIO:,} times its packed size"
                    )
                out.write(block)
    except DAMAGED:
        raise damaged_archive() from None


def damaged_archive() -> ExportFault:
    return ExportFault(
        "damaged_archive",
        found="an archive that is cut short or damaged",
        expected="a complete one",
        remedy="Ask for it again.",
    )


def _bomb(found: str, expected: str) -> ExportFault:
    return ExportFault(
        "archive_bomb",
        found=f"an archive of {found}",
        expected=expected,
        remedy="Ask for the files unpacked.",
    )


def refuse_workbook_bomb(path: str) -> None:
    """The same limits for the zip that an XLSX, XLSB or ODS is."""
    try:
        with zipfile.ZipFile(path) as archive:
            checked_members(archive, Path(path).stat().st_size, WORKBOOK_UNPACKED_BYTES)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # its reader says what is wrong
