"""What kind of file this is.

Belongs here: telling kinds apart by content, then suffix. Does not belong here: reading them, what gives a
single format away (`formats.py`).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from .archive import DAMAGED
from .errors import ExportFault
from .formats import FORMATS, listed
from .spec import ReadSpec

TEXTS = tuple(form.id for form in FORMATS if form.is_text)
SUFFIXES = {suffix: form.id for form in FORMATS for suffix in form.plain_suffixes}
BINARY_SUFFIXES = {suffix: form.id for form in FORMATS for suffix in form.suffixes} | {
    ".zip": "zip",
    ".gz": "gz",
}
MAGIC = (
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    *((mark, form.id) for form in FORMATS for mark in form.marks),
)
FOREIGN = (
    (b"%PDF", "a PDF"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"{\\rtf", "a text document"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x00\x01\x00\x00Standard Jet", "an Access database"),
    (b"\x00\x01\x00\x00Standard ACE", "an Access database"),
)
SPREADSHEET = b"application/vnd.oasis.opendocument.spread"  # the rest tells a template from a table
OLD_STATA = range(0x69, 0x74)  # releases 105 to 115 begin with their number


def kind_of(path: Path, name: str, spec: ReadSpec) -> str:
    """The format in which to read ``path``. It is a fault if the content contradicts the stated format."""
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, what in FOREIGN:
        if head.startswith(mark):
            raise ExportFault(
                "unknown_format",
                found=what,
                expected=f"a table: {listed()}",
                remedy="Ask for an export as CSV or XLSX.",
            )
    suffix = Path(name).suffix.lower()
    found = _by_content(path, head, suffix) or ("spss" if suffix == ".por" else None)
    if spec.format == "auto":
        return found or _by_suffix(suffix, head)
    if found in ("zip", "gz", "bz2", "xz"):
        return found  # the format stated is that of what is inside
    stated_text = spec.format in TEXTS
    if (found is not None and found != spec.format) or (found is None and not stated_text):
        raise ExportFault(
            "wrong_format",
            found=f"content of {found or 'a text file'}",
            expected=f"{spec.format}, as `format` states",
            remedy="Correct `format`, or leave it out.",
        )
    return spec.format


def _by_content(path: Path, head: bytes, suffix: str) -> str | None:
    """The kind that the first bytes prove; None for text."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(path, suffix)
    for mark, kind in MAGIC:
        if head.startswith(mark):
            return kind
    if len(head) > 3 and head[0] in OLD_STATA and head[1] in (1, 2) and head[2] == 1:
        return "stata"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:512].lower()
    if start.startswith((b"<html", b"<!doctype html", b"<table", b"<meta", b"<head", b"<style", b"<div")):
        return "html"
    if start.startswith(b"<?xml") or start.startswith(b"<workbook"):
        return "spreadsheetml" if b"urn:schemas-microsoft-com:office:spreadsheet" in head else "html"
    return None


def _kind_of_zip(path: Path, suffix: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "xl/workbook.bin" in names:
                return "xlsb"
            if "mimetype" in names and _begins(archive, "mimetype", SPREADSHEET):
                return "ods"
            if any(n == "[Content_Types].xml" or n.startswith("xl/") for n in names):
                return "xlsx"
    except (*DAMAGED, ValueError, NotImplementedError, RuntimeError):
        return BINARY_SUFFIXES.get(suffix, "zip")
    return "zip"


def _begins(archive: zipfile.ZipFile, member: str, mark: bytes) -> bool:
    """Whether a member begins with the mark; no more than that is unpacked."""
    with archive.open(member) as file:
        return file.read(len(mark)) == mark


def _by_suffix(suffix: str, head: bytes) -> str:
    """The kind of a file whose content is text, or claims nothing."""
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix in BINARY_SUFFIXES:
        raise ExportFault(
            "wrong_format",
            found=f"content that is not {BINARY_SUFFIXES[suffix]}, under the name *{suffix}",
            expected="content that its name tells",
            remedy="It is damaged or misnamed; ask for it again.",
        )
    return "ndjson" if head.lstrip()[:1] in (b"{", b"[") else "csv"
