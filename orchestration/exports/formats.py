"""The file formats, each declared once: its name, what proves it, and the function that reads it.

Belongs here: one ``FileFormat`` per format. The choices of `format` in a mapping, the detection of a file's
format (`kinds.py`) and the choice of the reader (`open.py`) all follow from these. Does not belong here: a
reader, archives (`archive.py`), formats that can be told apart only by a look inside (`kinds.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileFormat:
    """One format.

    ``reader`` is ``module:function`` of this package, imported when such a file comes. It gives a
    ``SourceTable``, or several one after the other, and takes those of path, name, kind, spec and
    workdir that it names. It runs in a process with limits (``worker.py``).
    ``marks`` are first bytes that prove the format. Content without a mark is text: ``plain_suffixes`` then
    tell what it is, while ``suffixes`` are of names whose content must prove it. ``is_text`` says that no
    mark can be expected where a mapping states the format.
    """

    id: str
    called: str
    reader: str
    suffixes: tuple[str, ...] = ()
    plain_suffixes: tuple[str, ...] = ()
    marks: tuple[bytes, ...] = ()
    is_text: bool = False
    has_sheets: bool = False
    has_labels: bool = False
    can_be_stated: bool = True


SAS_MARK = b"\0" * 12 + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\x00\x09\xc7\x31\x8c\x18\x1f\x10\x11"
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
FORMATS = (
    FileFormat(
        "csv", "CSV", "delimited:read_delimited", plain_suffixes=(".csv", ".txt", ".dat"), is_text=True
    ),
    FileFormat("tsv", "CSV", "delimited:read_delimited", plain_suffixes=(".tsv", ".tab"), is_text=True),
    FileFormat("xlsx", "a workbook", "inside:read_sheets", suffixes=(".xlsx", ".xlsm"), has_sheets=True),
    FileFormat("xls", "a workbook", "inside:read_sheets", marks=(OLE_MARK,), has_sheets=True),
    FileFormat("xlsb", "a workbook", "inside:read_sheets", suffixes=(".xlsb",), has_sheets=True),
    FileFormat("ods", "a workbook", "inside:read_sheets", suffixes=(".ods",), has_sheets=True),
    FileFormat("parquet", "Parquet", "parquet:read_parquet", suffixes=(".parquet",), marks=(b"PAR1",)),
    FileFormat(
        "sas",
        "SAS",
        "inside:read_statistics",
        suffixes=(".sas7bdat", ".xpt"),
        marks=(b"HEADER RECORD*******LIB", SAS_MARK),
        has_labels=True,
    ),
    FileFormat(
        "spss",
        "SPSS",
        "inside:read_statistics",
        suffixes=(".sav", ".zsav"),
        plain_suffixes=(".por",),  # portable, in plain characters
        marks=(b"$FL2", b"$FL3"),
        has_labels=True,
    ),
    FileFormat(
        "stata",
        "Stata",
        "inside:read_statistics",
        suffixes=(".dta",),
        marks=(b"<stata_dta>",),
        has_labels=True,
    ),
    FileFormat(
        "ndjson",
        "NDJSON",
        "json_lines:read_json",
        plain_suffixes=(".json", ".ndjson", ".jsonl"),
        is_text=True,
    ),
    FileFormat("html", "a workbook", "inside:read_sheets", has_sheets=True, can_be_stated=False),
    FileFormat("spreadsheetml", "a workbook", "inside:read_sheets", has_sheets=True, can_be_stated=False),
)
BY_ID = {form.id: form for form in FORMATS}
STATED = ("auto", *(form.id for form in FORMATS if form.can_be_stated))
SHEETED = tuple(form.id for form in FORMATS if form.has_sheets)
LABELLED = tuple(form.id for form in FORMATS if form.has_labels)


def listed() -> str:
    """``CSV, a workbook, … or NDJSON``: the formats that can be read, for error texts."""
    *first, last = dict.fromkeys(form.called for form in FORMATS)
    return f"{', '.join(first)} or {last}"
