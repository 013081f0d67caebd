"""CSV, TSV and their kin.

Belongs here: the way from a text file to a ``SourceTable``: encoding, dialect, header, then the fast path
(``survey.py``: DuckDB reads the file itself) or the careful one (``records.py``: DuckDB reads a plain
rewriting). Does not belong here: the scan and the splitting themselves.
"""

from __future__ import annotations

import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from .damage import REASONS, damage_in
from .dialect import SEP_LINE, dialect_of
from .encodings import Encoding, encoding_of, utf8_chunks
from .errors import ExportFault, MalformedLine
from .limits import COLUMNS, LINE_BYTES
from .records import Dialect, Record, records, rewrite
from .sheet import transposed, write_rows
from .spec import ReadSpec
from .survey import Shape, Survey, patched_copy, survey
from .tables import (
    Finding,
    SourceTable,
    checked_header,
    filled_down,
    joined_header,
    select_list,
    sql_text,
    varchar_columns,
)

HEAD_BYTES = 2 * LINE_BYTES
SNIFFED_CHARACTERS = 262_144


@dataclass(frozen=True)
class Head:
    """What stands before the data: names, and where the data begin, in bytes and in rows."""

    dialect: Dialect
    names: list[str]
    header_row: int
    data_start: int
    first_row: int
    preamble: bytes  # what stands before the data
    lines: int  # of the preamble, a header record that spans several counted as one


def read_delimited(
    path: Path, name: str, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection
) -> SourceTable:
    """The one table of a delimited text file."""
    if path.stat().st_size == 0:
        raise ExportFault(
            "empty_file",
            found="an empty file",
            expected="a header and rows",
            remedy="Ask for the file again.",
        )
    encoding = encoding_of(path, spec.encoding)
    text, start = utf8_file(path, encoding, workdir)
    head = _head(text, start, spec, Path(name).suffix.lower())
    _refuse_damaged_header(head)
    if spec.transposed:
        return _lying_on_its_side(text, start, head.dialect, name, encoding, spec, workdir)
    shape = _shape(head.dialect, len(head.names))
    scan = (
        survey(text, shape, head.data_start, head.first_row, spec.damaged_text == "keep") if shape else None
    )
    if scan is None:
        relation, table = _rewritten(text, head, spec, workdir)
    else:
        relation, table = _surveyed(text, head, shape, scan, workdir)
    rows, bad, kept = table
    refuse_no_rows(rows + len(bad), head.first_row)
    used = _used_right(relation, head.names, connection)
    columns = checked_header(head.names, head.header_row, used)
    if len(columns) < len(head.names):
        relation = f"select source_row, {select_list(len(columns))} from ({relation})"
    return SourceTable(
        file=name,
        sheet=None,
        columns=columns,
        relation=filled_down(relation, columns, spec.fill_down),
        encoding=encoding.name,
        format="tsv" if head.dialect.delimiter == "\t" else "csv",
        rows=rows,
        malformed=bad,
        findings=(Finding("damaged_text", None, kept),) if kept else (),
    )


def _lying_on_its_side(
    text: Path, start: int, dialect: Dialect, name: str, encoding: Encoding, spec: ReadSpec, workdir: Path
) -> SourceTable:
    """A table whose columns are records: it has few lines, so that all of it fits in memory."""
    with text.open("rb") as raw:
        raw.seek(start)
        file = io.TextIOWrapper(raw, encoding="utf-8", errors="export_undecodable", newline="")
        lines: list[tuple[int, list[str]]] = []
        for record in records(file, dialect, 1, text.stat().st_size):
            if len(lines) == COLUMNS:
                raise ExportFault(
                    "too_many_columns",
                    row=record.row,
                    found=f"more than {COLUMNS:,} lines",
                    expected="a table that lies on its side",
                    remedy="Leave `transposed` out.",
                )
            lines.append((record.row, _header_record(record).fields or []))
    rows, merged = transposed(lines, {})
    options = spec.model_dump(include={"skip_rows", "header_rows"})
    return grid_table(
        write_rows(rows, merged, options, scratch(workdir, ".csv")), name, None, "csv", encoding.name, spec
    )


def grid_table(
    grid: dict[str, Any], name: str, sheet: str | None, kind: str, encoding: str | None, spec: ReadSpec
) -> SourceTable:
    """The table that ``sheet.write_rows`` wrote."""
    columns = checked_header(grid["header"], grid["header_row"], set(grid["used"]))
    refuse_no_rows(grid["rows"], grid["header_row"])
    relation = plain_relation(Path(grid["path"]), len(grid["header"]), grid["has_line_ends"])
    if len(columns) < len(grid["header"]):
        relation = f"select source_row, {select_list(len(columns))} from ({relation})"
    findings = tuple(
        Finding("digits_lost", columns[int(i)], count, first)
        for i, (count, first) in grid["digits_lost"].items()
        if int(i) < len(columns)
    )
    return SourceTable(
        file=name,
        sheet=sheet,
        columns=columns,
        relation=filled_down(relation, columns, spec.fill_down),
        encoding=encoding,
        format=kind,
        rows=grid["rows"],
        findings=findings,
    )


def refuse_no_rows(rows: int, row: int | None) -> None:
    if not rows:
        raise ExportFault(
            "no_rows",
            row=row,
            found="a header and no rows",
            expected="at least one row",
            remedy="Ask for the file again; a delivery with nothing new leaves the file out.",
        )


def utf8_file(path: Path, encoding: Encoding, workdir: Path) -> tuple[Path, int]:
    """A file that holds the text as UTF-8, and where in it the text begins: the file itself where it can
    be."""
    if encoding.is_utf8:
        return path, encoding.skip
    target = scratch(workdir, ".utf8")
    with target.open("wb") as out:
        for chunk in utf8_chunks(path, encoding):
            out.write(chunk)
    return target, 0


def scratch(workdir: Path, suffix: str) -> Path:
    """A new file in ``workdir``."""
    handle, name = tempfile.mkstemp(suffix=suffix, dir=workdir)
    os.close(handle)
    return Path(name)


def _head(path: Path, start: int, spec: ReadSpec, suffix: str) -> Head:
    with path.open("rb") as file:
        file.seek(start)
        raw = file.read(HEAD_BYTES)
    whole = len(raw) < HEAD_BYTES
    skipped, skipped_lines = _skipped(raw, spec)
    if spec.skip_rows == 0 and (said := SEP_LINE.match(raw[:16].decode("utf-8", "ignore"))):
        skipped, skipped_lines = len(said.group().encode()), 1
        spec = spec if spec.delimiter else spec.model_copy(update={"delimiter": said.group(1)})
    text = raw[skipped:].decode("utf-8", "ignore")
    dialect = dialect_of(text[:SNIFFED_CHARACTERS], whole and len(text) <= SNIFFED_CHARACTERS, spec, suffix)
    found = records(io.StringIO(text, newline=""), dialect, skipped_lines + 1, len(raw))
    blank, header, consumed = 0, [], skipped
    for record in found:
        if not header and record.fields == []:
            blank += 1
            consumed += len(record.text.encode())
            continue
        header.append(_header_record(record))
        if len(header) > spec.header_rows or spec.header_rows == 0:
            break
    if not header:
        raise ExportFault(
            "empty_file", found="no text", expected="a header and rows", remedy="Ask for the file again."
        )
    taken = header[: spec.header_rows]
    consumed += sum(len(record.text.encode()) for record in taken)
    header_row = skipped_lines + blank + 1
    names = (
        joined_header([record.fields or [] for record in taken])
        if taken
        else [f"column_{i + 1}" for i in range(len(header[0].fields or []))]
    )
    if len(names) > COLUMNS:
        checked_header(names, header_row)
    lines = skipped_lines + blank + len(taken)
    return Head(dialect, names, header_row, start + consumed, header_row + len(taken), raw[:consumed], lines)


def _lines_to_skip(head: Head, line_end: bytes) -> int | None:
    """Lines of the preamble, if DuckDB counts them as we do: ended as the data are, quotes closed within each."""
    lines = head.preamble.split(line_end)[:-1]
    quote = head.dialect.quote.encode() or b"\0"
    plain = len(lines) == head.lines and head.preamble.endswith(line_end)
    plain = plain and all(line.count(quote) % 2 == 0 and not {*b"\r\n"} & {*line} for line in lines)
    return head.lines if plain or not head.preamble else None


def _skipped(raw: bytes, spec: ReadSpec) -> tuple[int, int]:
    """Bytes and lines above the header: the stated rows."""
    at, lines = 0, 0
    for _ in range(spec.skip_rows):
        end = _line_end(raw, at)
        if end is None:
            raise ExportFault(
                "no_header",
                row=lines + 1,
                found=f"{lines} rows",
                expected=f"a header below {spec.skip_rows} rows",
                remedy="Correct `skip_rows`.",
            )
        at, lines = end, lines + 1
    return at, lines


def _line_end(raw: bytes, at: int) -> int | None:
    newline, ret = raw.find(b"\n", at), raw.find(b"\r", at)
    if ret >= 0 and (newline < 0 or ret < newline - 1):
        return ret + 1
    return newline + 1 if newline >= 0 else None


def _header_record(record: Record) -> Record:
    if record.fields is None:
        raise ExportFault(
            "unclosed_quote",
            row=record.row,
            found=f"a header line that cannot be split: {record.reason}",
            expected="quotes in pairs",
            remedy='State `quote`, or `quote: ""` if quotes are plain text here.',
        )
    return record


def _refuse_damaged_header(head: Head) -> None:
    for i, name in enumerate(head.names):
        if (rule := damage_in(name)) is not None:
            raise ExportFault(
                rule[0],
                row=head.header_row,
                column=name,
                found=f"the name of column {i + 1} holds {REASONS[rule[0]]}",
                expected="names as the hospital's system shows them",
                remedy="State `encoding` if it was detected wrongly; else ask for the export again as UTF-8.",
            )


def _shape(dialect: Dialect, width: int) -> Shape | None:
    """What the fast path needs, None where it cannot serve."""
    if len(dialect.delimiter.encode()) != 1 or dialect.escape not in ("", dialect.quote):
        return None
    if len(dialect.quote.encode()) > 1:
        return None
    return Shape(ord(dialect.delimiter), ord(dialect.quote) if dialect.quote else None, width)


def _surveyed(
    text: Path, head: Head, shape: Shape, scan: Survey, workdir: Path
) -> tuple[str, tuple[int, list[MalformedLine], int]]:
    """The relation that reads the file itself, or a copy with its bad records made empty."""
    line_end = scan.line_end or b"\n"
    path, skip = text, _lines_to_skip(head, line_end)
    if scan.holes or skip is None:
        path, skip = scratch(workdir, ".csv"), 0
        filler = (head.dialect.delimiter * (shape.width - 1) or '""').encode() + line_end
        patched_copy(text, head.data_start, scan.holes, filler, path)
    read = read_csv(path, varchar_columns(shape.width), head.dialect, skip, line_end)
    cells = select_list(shape.width)
    relation = f"select row_number() over () + {head.first_row - 1} as source_row, {cells} from {read}"
    if scan.holes:
        rows = ", ".join(str(hole.row) for hole in scan.holes)
        relation = f"select * from ({relation}) where source_row not in ({rows})"
    return relation, (scan.rows, scan.malformed, scan.damaged_kept)


def _rewritten(
    text: Path, head: Head, spec: ReadSpec, workdir: Path
) -> tuple[str, tuple[int, list[MalformedLine], int]]:
    """The relation that reads a plain rewriting of the file."""
    target = scratch(workdir, ".csv")
    width = len(head.names)
    done = rewrite(
        text, head.data_start, head.dialect, width, head.first_row, target, spec.damaged_text == "keep"
    )
    return plain_relation(target, width, done.has_line_ends), (done.rows, done.malformed, done.damaged_kept)


def plain_relation(path: Path, width: int, has_line_ends: bool) -> str:
    """The relation over a CSV that this package wrote itself, ``source_row`` first."""
    read = read_csv(path, varchar_columns(width, "source_row"), Dialect(","), 0, parallel=not has_line_ends)
    return f"select source_row::bigint as source_row, {select_list(width)} from {read}"


def read_csv(
    path: Path,
    columns: str,
    dialect: Dialect,
    skip: int,
    line_end: bytes = b"\r\n",
    *,
    parallel: bool = False,
    padded: bool = False,
) -> str:
    """DuckDB's ``read_csv`` with nothing left to detect. Serial by default: a row number makes it so anyway.

    The line end is stated, for DuckDB 1.5.5 would take the first it meets, in quotes or not; and strict mode is off,
    for with a stated ``\\r\\n`` it loses rows. What strict mode would find, the scan has found before.
    """
    options = {
        "columns": columns,
        "auto_detect": "false",
        "header": "false",
        "skip": str(skip),
        "delim": sql_text(dialect.delimiter),
        "quote": sql_text(dialect.quote),
        "escape": sql_text(dialect.quote),
        "compression": "'none'",
        "new_line": "'\\r\\n'" if line_end == b"\r\n" else "'\\n'",
        "strict_mode": "false",
        "null_padding": "true" if padded else "false",
        "max_line_size": str(2 * LINE_BYTES),
        "hive_partitioning": "false",
        "parallel": "true" if parallel else "false",
    }
    return (
        f"read_csv({sql_text(str(path))}, {', '.join(f'{key} = {value}' for key, value in options.items())})"
    )


def _used_right(relation: str, names: list[str], connection: duckdb.DuckDBPyConnection) -> set[int] | None:
    """Which of the nameless columns at the right edge hold any cell; None if there are none."""
    first = len(names)
    while first and not names[first - 1].strip():
        first -= 1
    if first == len(names):
        return None
    counts = ", ".join(f"count(c{i})" for i in range(first, len(names)))
    found = connection.sql(f"select {counts} from ({relation})").fetchone() or ()
    return {first + i for i, count in enumerate(found) if count}
