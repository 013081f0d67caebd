"""NDJSON, JSON arrays and FHIR bundles: each object is a row, each path a column.

Belongs here: flattening. A column is named by its path, ``code.coding[0].code``, so that FHIR bulk files map
like any table. Numbers keep their text (``1.10``), because nothing parses them here. Does not belong here:
FHIR itself (`fhir.py`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .columns import checked_header
from .delimited import scratch, utf8_file
from .encodings import encoding_of
from .errors import ExportFault, named
from .fhir import with_one_value
from .json_stream import document_elements
from .limits import COLUMNS, JSON_LINE_BYTES
from .rows import RowWriter, Written
from .spec import ReadSpec
from .tables import SourceTable, written_table

ARRAY_ELEMENTS = 64  # of one array that become columns


class _NotFlat(ValueError):
    """An object that does not become a row; its arguments are rule and reason."""


def read_json(path: Path, name: str, spec: ReadSpec, workdir: Path) -> SourceTable:
    """The one table of a file of JSON objects; ``source_row`` is the line, or the element of an array or
    bundle."""
    encoding = encoding_of(path, spec.encoding)
    text, start = utf8_file(path, encoding, workdir)
    columns: dict[str, None] = {}
    with RowWriter(scratch(workdir, ".csv"), spec.damaged_text == "keep") as writer:
        for row, line, thing in _objects(text, start, _decoder(spec.decimal_mark)):
            try:
                for cells in _rows(with_one_value(thing), spec.each):
                    _write(writer, columns, row, line, cells)
            except _NotFlat as fault:
                rule, reason = fault.args
                writer.reject(row, rule, reason, line)
            except RecursionError:
                writer.reject(row, "invalid_json", "nested too deeply", line)
    written = writer.done()
    if not written.rows:
        raise _no_objects(written)
    return written_table(
        written, list(columns), 1, file=name, encoding=encoding.name, format="ndjson", spec=spec, padded=True
    )


def _no_objects(written: Written) -> ExportFault:
    return ExportFault(
        "mostly_malformed" if written.malformed else "no_rows",
        row=written.malformed[0].source_row if written.malformed else None,
        found="no line that is a JSON object" if written.malformed else "no objects",
        expected="one JSON object in each line",
        remedy="Ask for the file again; where nothing new may have happened, write `may_be_empty: true` in "
        "the mapping, or `optional: true` if the file may be left out.",
    )


def _rows(thing: Any, each: str | None) -> list[dict[str, str]]:
    """The rows of one object: one, or one per element of the array ``each``. The object's other values are
    repeated beside each element.
    """
    if isinstance(thing, ValueError):
        raise _NotFlat("invalid_json", "not valid JSON")
    if not isinstance(thing, dict):
        raise _NotFlat("not_an_object", "JSON, but no object")
    elements = thing.get(each)
    whole: dict[str, str] = {}
    if each is None or type(elements) is not list or not elements:
        _flatten("", thing, whole)
        return [whole]
    _flatten("", {key: value for key, value in thing.items() if key != each}, whole)
    rows = []
    for number, element in enumerate(elements, 1):
        cells = {**whole, f"{each}[]": str(number)}
        _flatten_value(each, element, cells)
        rows.append(cells)
    return rows


def _write(writer: RowWriter, columns: dict[str, None], row: int, line: str, cells: dict[str, str]) -> None:
    """One row as one line, as wide as the columns known so far."""
    if not cells:
        return
    if not cells.keys() <= columns.keys():
        columns.update((path, None) for path in cells if path not in columns)
        if len(columns) > COLUMNS:
            checked_header(list(columns), row)
    writer.write(row, map(cells.get, columns), line)


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
                "array_too_long",
                f"{len(value)} elements in {named('column', path)}; {ARRAY_ELEMENTS} become columns",
            )
        for i, inner in enumerate(value):
            _flatten_value(f"{path}[{i}]", inner, cells)
    elif value is not None and value != "":
        if path in cells:
            raise _NotFlat("ambiguous_path", f"two values at {named('column', path)}")
        cells[path] = value if kind is str else "true" if value else "false"


def _objects(path: Path, start: int, decoder: json.JSONDecoder) -> Iterator[tuple[int, str, Any]]:
    """(row, text, parsed or ValueError) of every object in the file."""
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(4096).lstrip()
    if head.startswith(b"[") or _is_one_object(path, start):
        for number, thing in enumerate(document_elements(path, start, decoder), 1):
            yield number, json.dumps(thing, ensure_ascii=False), thing
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
                yield row, line, _parsed(line, decoder)


def _is_one_object(path: Path, start: int) -> bool:
    """Whether one object is laid out over several lines (the first opens what the second does not begin
    anew), or is a bundle on one.
    """
    with path.open("rb") as file:
        file.seek(start)
        lines = (line.strip() for line in iter(lambda: file.readline(JSON_LINE_BYTES), b""))
        first, second = (next((line for line in lines if line), b"") for _ in range(2))
    if first.endswith(b"}") and not second:
        return b'"Bundle"' in first
    return first.startswith(b"{") and not first.endswith(b"}") and not second.startswith(b"{")


def _parsed(text: str, decoder: json.JSONDecoder) -> Any:
    """The value, with numbers as their text; a ValueError in its place if it is no JSON or repeats a key."""
    try:
        return decoder.decode(text)
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


def _decoder(decimal_mark: str) -> json.JSONDecoder:
    def as_text(number: str) -> str:
        return number.replace(".", decimal_mark)

    return json.JSONDecoder(
        parse_float=str if decimal_mark == "." else as_text,
        parse_int=str,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique,
    )
