"""NDJSON, JSON arrays and FHIR bundles: one object, one row; one path, one column.

Belongs here: flattening. A column is named by its path, ``code.coding[0].code``, so that FHIR bulk files map
like any table. Does not belong here: FHIR itself. Numbers keep their text (``1.10``), because nothing parses
them here.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from .damage import damage_in
from .delimited import read_csv, scratch, utf8_file
from .encodings import encoding_of
from .errors import ExportFault, MalformedLine, malformed
from .limits import COLUMNS, JSON_DOCUMENT_BYTES, JSON_LINE_BYTES, MALFORMED_LINES
from .records import Dialect, too_many_malformed
from .spec import ReadSpec
from .tables import Finding, SourceTable, checked_header, filled_down, select_list, varchar_columns

ARRAY_ELEMENTS = 64  # of one array that become columns


class _NotFlat(ValueError):
    """An object that does not become a row; its arguments are rule and reason."""


@dataclass
class _Written:
    columns: dict[str, None] = field(default_factory=dict)
    rows: int = 0
    malformed: list[MalformedLine] = field(default_factory=list)
    damaged_kept: int = 0


def read_json(
    path: Path, name: str, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection
) -> SourceTable:
    """The one table of a file of JSON objects; ``source_row`` is the line, or the element of an array or
    bundle."""
    encoding = encoding_of(path, spec.encoding)
    text, start = utf8_file(path, encoding, workdir)
    target, written = scratch(workdir, ".csv"), _Written()
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        for row, line, thing in _objects(text, start):
            _write(writer, written, row, line, thing, spec.damaged_text == "keep")
    if not written.rows and not written.malformed:
        raise ExportFault(
            "no_rows",
            found="no objects",
            expected="at least one JSON object",
            remedy="Ask for the file again; a delivery with nothing new leaves the file out.",
        )
    names = list(written.columns) or ["value"]
    columns = checked_header(names, 1)
    read = read_csv(target, varchar_columns(len(names), "source_row"), Dialect(","), 0, padded=True)
    relation = f"select source_row::bigint as source_row, {select_list(len(names))} from {read}"
    kept = written.damaged_kept
    return SourceTable(
        file=name,
        sheet=None,
        columns=columns,
        relation=filled_down(relation, columns, spec.fill_down),
        encoding=encoding.name,
        format="ndjson",
        rows=written.rows,
        malformed=written.malformed,
        findings=(Finding("damaged_text", None, kept),) if kept else (),
    )


def _write(writer: Any, written: _Written, row: int, line: str, thing: Any, keep_damaged: bool) -> None:
    """One object as one CSV line as wide as the columns known so far; or as a malformed line."""
    try:
        if isinstance(thing, ValueError):
            raise _NotFlat("invalid_json", "not valid JSON")
        if not isinstance(thing, dict):
            raise _NotFlat("not_an_object", "JSON, but no object")
        if (rule := damage_in(line)) is not None:
            written.damaged_kept += keep_damaged
            if not keep_damaged:
                raise _NotFlat(*rule)
        cells: dict[str, str] = {}
        _flatten("", thing, cells)
    except (_NotFlat, RecursionError) as fault:
        rule, reason = fault.args if isinstance(fault, _NotFlat) else ("invalid_json", "nested too deeply")
        written.malformed.append(malformed(row, rule, reason, line))
        if len(written.malformed) > MALFORMED_LINES:
            raise too_many_malformed(row) from None
        return
    if not cells:
        return
    columns = written.columns
    if not cells.keys() <= columns.keys():
        columns.update((path, None) for path in cells if path not in columns)
        if len(columns) > COLUMNS:
            checked_header(list(columns), row)
    writer.writerow([row, *map(cells.get, columns)])
    written.rows += 1


def _flatten(prefix: str, thing: dict[str, Any], cells: dict[str, str]) -> None:
    """Add path and text of every scalar below ``thing`` that is not blank. Types are compared, not asked: it
    is hot."""
    for key, value in thing.items():
        _flatten_value(prefix + key, value, cells)


def _flatten_value(path: str, value: Any, cells: dict[str, str]) -> None:
    kind = type(value)
    if kind is dict:
        _flatten(path + ".", value, cells)
    elif kind is list:
        if len(value) > ARRAY_ELEMENTS:
            raise _NotFlat(
                "array_too_long", f"{len(value)} elements in {path}; {ARRAY_ELEMENTS} become columns"
            )
        for i, inner in enumerate(value):
            _flatten_value(f"{path}[{i}]", inner, cells)
    elif value is not None and value != "":
        if path in cells:
            raise _NotFlat("ambiguous_path", f"two values at {path}")
        cells[path] = value if kind is str else "true" if value else "false"


def _objects(path: Path, start: int) -> Iterator[tuple[int, str, Any]]:
    """(row, text, parsed or ValueError) of every object in the file."""
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(4096).lstrip()
    if head.startswith(b"[") or _is_one_object(path, start):
        yield from _document_objects(path, start)
        return
    with path.open("rb") as raw:
        raw.seek(start)
        lines = io.TextIOWrapper(raw, encoding="utf-8", errors="export_undecodable", newline=None)
        row = 0
        while line := lines.readline(JSON_LINE_BYTES + 1):
            row += 1
            if len(line) > JSON_LINE_BYTES:
                raise ExportFault(
                    "line_too_long",
                    row=row,
                    found=f"a line of more than {JSON_LINE_BYTES:,} characters",
                    expected="one JSON object",
                    remedy="Check that each line is one object.",
                )
            if not line.isspace():
                yield row, line, _parsed(line)


def _is_one_object(path: Path, start: int) -> bool:
    """Whether one object is laid out over several lines: the first opens what the second does not begin
    anew."""
    with path.open("rb") as file:
        file.seek(start)
        lines = (line.strip() for line in iter(lambda: file.readline(JSON_LINE_BYTES), b""))
        first, second = (next((line for line in lines if line), b"") for _ in range(2))
    return first.startswith(b"{") and not first.endswith(b"}") and not second.startswith(b"{")


def _document_objects(path: Path, start: int) -> Iterator[tuple[int, str, Any]]:
    """Elements of one array, entries of one FHIR bundle, or the one object that a document is."""
    if path.stat().st_size - start > JSON_DOCUMENT_BYTES:
        raise ExportFault(
            "document_too_large",
            found=f"one JSON document of more than {JSON_DOCUMENT_BYTES // 2**20} MiB",
            expected="one object per line (NDJSON)",
            remedy="Export NDJSON.",
        )
    with path.open("rb") as file:
        file.seek(start)
        text = file.read().decode("utf-8", "export_undecodable")
    document = _parsed(text)
    if isinstance(document, ValueError):
        raise ExportFault(
            "invalid_json",
            found="a JSON document that does not parse",
            expected="valid JSON",
            remedy="It is cut short or damaged; ask for it again, best as NDJSON.",
        )
    if isinstance(document, dict) and document.get("resourceType") == "Bundle":
        entries = document.get("entry") or []
        document = [entry.get("resource") if isinstance(entry, dict) else entry for entry in entries]
    for i, thing in enumerate(document if isinstance(document, list) else [document]):
        yield i + 1, json.dumps(thing, ensure_ascii=False), thing


def _parsed(text: str) -> Any:
    """The value, numbers as their text; a ValueError in place of it if it is no JSON or repeats a key."""
    try:
        return _DECODER.decode(text)
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("nested too deeply")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice in one object")
    return found


_DECODER = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_refuse_constant, object_pairs_hook=_unique
)
