"""Opening one file of a delivery, whatever it is.

Belongs here: telling the kind of a file by content and suffix, and calling its reader.
Does not belong here: any reader.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb

from .delimited import plain_relation, read_delimited
from .errors import ExportFault
from .spec import ReadSpec
from .tables import Finding, SourceTable, checked_header, filled_down, select_list
from .worker import in_worker

WORKBOOKS = ("xlsx", "xls", "xlsb", "ods")
TEXT = ("csv", "tsv")
SUFFIXES = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    ".xlsb": "xlsb",
    ".ods": "ods",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".sas7bdat": "sas",
    ".xpt": "sas",
    ".sav": "spss",
    ".zsav": "spss",
    ".por": "spss",
    ".dta": "stata",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
}


def open_tables(
    path: Path, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection, name: str | None = None
) -> list[SourceTable]:
    """The tables of one file: one per sheet, or per member of an archive, that ``spec`` asks for.

    ``name`` is what the file is called in messages and in provenance, its own name if not given. ``workdir``
    takes what must be rewritten for DuckDB to read it; it is needed as long as a relation is. Raises
    ``ExportFault``.
    """
    path, name = Path(path), name or Path(path).name
    workdir = Path(tempfile.mkdtemp(dir=workdir))
    try:
        return list(_tables(_plainly_named(path, workdir), name, spec, workdir, connection))
    except ExportFault as fault:
        raise (fault if fault.file else fault.at(file=name)) from None


def _tables(
    path: Path, name: str, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection
) -> Iterator[SourceTable]:
    kind = kind_of(path, name, spec)
    if kind in WORKBOOKS:
        yield from _workbook(path, name, kind, spec, workdir)
    elif kind in TEXT:
        yield read_delimited(path, name, spec, workdir, connection)
    else:
        raise ExportFault(
            "unknown_format",
            found=f"a file of kind {kind}",
            expected="one of the formats",
            remedy="Export CSV.",
        )


def _plainly_named(path: Path, workdir: Path) -> Path:
    """A link without the characters that DuckDB takes for a pattern, where the name has any."""
    path = path.absolute()
    if not any(c in str(path) for c in "*?["):
        return path
    link = workdir / "source"
    link.symlink_to(path)
    return link


def kind_of(path: Path, name: str, spec: ReadSpec) -> str:
    with path.open("rb") as file:
        head = file.read(512)
    by_suffix = SUFFIXES.get(Path(name).suffix.lower(), "")
    if spec.format != "auto":
        return spec.format
    if head.startswith(b"PK\x03\x04") or head.startswith(b"\xd0\xcf\x11\xe0"):
        return by_suffix if by_suffix in WORKBOOKS else "xlsx"
    return by_suffix if by_suffix in TEXT else by_suffix or "csv"


def _workbook(path: Path, name: str, kind: str, spec: ReadSpec, workdir: Path) -> Iterator[SourceTable]:
    options = spec.model_dump(include={"sheet", "skip_rows", "header_rows", "transposed"})
    for sheet in in_worker("workbook", path=str(path), kind=kind, options=options, workdir=str(workdir)):
        try:
            yield _sheet_table(sheet, name, kind, spec)
        except ExportFault as fault:
            raise fault.at(sheet=sheet["sheet"]) from None


def _sheet_table(sheet: dict, name: str, kind: str, spec: ReadSpec) -> SourceTable:
    columns = checked_header(sheet["header"], sheet["header_row"], set(sheet["used"]))
    if not sheet["rows"]:
        raise ExportFault(
            "no_rows",
            row=sheet["header_row"],
            found="a header and no rows",
            expected="at least one row",
            remedy="Ask for the file again; a delivery with nothing new leaves the file out.",
        )
    relation = plain_relation(Path(sheet["path"]), len(sheet["header"]), sheet["has_line_ends"])
    if len(columns) < len(sheet["header"]):
        relation = f"select source_row, {select_list(len(columns))} from ({relation})"
    findings = tuple(
        Finding("digits_lost", columns[int(i)], count, first)
        for i, (count, first) in sheet["digits_lost"].items()
        if int(i) < len(columns)
    )
    return SourceTable(
        file=name,
        sheet=sheet["sheet"],
        columns=columns,
        relation=filled_down(relation, columns, spec.fill_down),
        encoding=None,
        format=kind,
        rows=sheet["rows"],
        findings=findings,
    )
