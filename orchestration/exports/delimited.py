"""CSV, TSV and their kin.

Belongs here: the way from a text file to a ``SourceTable``: encoding, dialect, header, then the fast path
(``survey.py``: DuckDB reads the file itself) or the careful one (``records.py``: DuckDB reads a plain
rewriting). Does not belong here: the scan and the splitting themselves.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .columns import checked_header
from .encodings import Encoding, encoding_of, utf8_chunks
from .errors import ExportFault, MalformedLine
from .header import Head, head_of, lines_to_skip, split_or_fault
from .limits import COLUMNS
from .own_database import own_database
from .records import records, rewrite
from .relations import cells, filled_down, narrowed, read_csv, sql_text, without_rows
from .rows import refuse_no_rows
from .sheet import transposed, write_sheet
from .spec import ReadSpec
from .survey import Shape, Survey, patched_copy, survey
from .tables import Finding, InOrder, SourceTable, kept_findings, written_table

CUT_NUMBER = r"[0-9]([.,][0-9]+)?E\+(1[1-9]|[2-9][0-9])"


def read_delimited(path: Path, name: str, spec: ReadSpec, workdir: Path) -> SourceTable:
    """The one table of a delimited text file."""
    encoding = encoding_of(path, spec.encoding)
    text, start = utf8_file(path, encoding, workdir)
    head = head_of(text, start, spec, Path(name).suffix.lower())
    kind = "tsv" if head.dialect.delimiter == "\t" else "csv"
    if spec.transposed:
        return _lying_on_its_side(text, start, head, name, kind, encoding, spec, workdir)
    if all(head.names) or len(head.names) > COLUMNS:
        checked_header(head.names, head.header_row)
    keep = spec.damaged_text == "keep"
    shape = _shape(head)
    scan = survey(text, shape, head.data_start, head.first_row, keep) if shape else None
    width = len(head.names)
    if shape is None or scan is None:
        target = scratch(workdir, ".csv")
        done = rewrite(text, head.data_start, head.dialect, width, head.first_row, target, keep)
        rows, bad, kept = done.rows, done.malformed, done.damaged_kept
        relation, in_order = done.relation(width), None
    else:
        rows, bad, kept = scan.rows, scan.malformed, scan.damaged_kept
        in_order = _surveyed(text, head, shape, scan, workdir)
        relation = _numbered(in_order, width)
    refuse_no_rows(rows + len(bad), head.first_row)
    if not rows:
        raise _none_splits(head, bad)
    columns = checked_header(head.names, head.header_row, _used_right(relation, head.names, workdir))
    relation = narrowed(relation, len(columns), width)
    findings = kept_findings(kept)
    if scan is None or scan.has_exponents:
        findings += _digits_lost(relation, columns, workdir)
    return SourceTable(
        file=name,
        sheet=None,
        columns=columns,
        relation=filled_down(relation, columns, spec.fill_down),
        encoding=encoding.name,
        format=kind,
        rows=rows,
        malformed=bad,
        findings=findings,
        in_order=None if spec.fill_down else in_order,
    )


def utf8_file(path: Path, encoding: Encoding, workdir: Path) -> tuple[Path, int]:
    """A file that holds the text as UTF-8, and where the text begins in it. It is the file itself if that is
    possible.
    """
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


def _shape(head: Head) -> Shape | None:
    """What the fast path needs; None if the fast path cannot read the file."""
    dialect = head.dialect
    if len(dialect.delimiter.encode()) != 1 or dialect.escape not in ("", dialect.quote):
        return None
    if len(dialect.quote.encode()) > 1:
        return None
    return Shape(ord(dialect.delimiter), ord(dialect.quote) if dialect.quote else None, len(head.names))


def _surveyed(text: Path, head: Head, shape: Shape, scan: Survey, workdir: Path) -> InOrder:
    """How DuckDB reads the file itself, or a copy with its bad records made empty."""
    line_end = scan.line_end or b"\n"
    path, skip = text, lines_to_skip(head, line_end)
    if scan.holes or skip is None:
        path, skip = scratch(workdir, ".csv"), 0
        filler = (head.dialect.delimiter * (shape.width - 1) or '""').encode() + line_end
        patched_copy(text, head.data_start, scan.holes, filler, path)
    read = read_csv(path, shape.width, head.dialect, line_end, skip=skip, parallel=not scan.has_line_ends)
    return InOrder(read, head.first_row, tuple(hole.row for hole in scan.holes))


def _numbered(found: InOrder, width: int) -> str:
    number = f"row_number() over () + {found.first_row - 1}"
    relation = f"select {number} as source_row, {cells(width)} from {found.read}"
    return without_rows(relation, found.holes)


def _used_right(relation: str, names: list[str], workdir: Path) -> set[int] | None:
    """Which of the nameless columns at the right edge hold any cell; None if there are none."""
    first = len(names)
    while first and not names[first - 1].strip():
        first -= 1
    if first == len(names):
        return None
    counts = ", ".join(f"count(c{i})" for i in range(first, len(names)))
    with own_database(workdir) as connection:
        found = connection.sql(f"select {counts} from ({relation})").fetchone() or ()
    return {first + i for i, count in enumerate(found) if count}


def _digits_lost(relation: str, columns: Sequence[str], workdir: Path) -> tuple[Finding, ...]:
    """Columns of numbers with twelve or more digits that a spreadsheet has written as ``3.20102E+17``."""
    lost = [f"regexp_full_match(c{i}, {sql_text(CUT_NUMBER)})" for i in range(len(columns))]
    counts = ", ".join(f"count(*) filter ({test}), min(source_row) filter ({test})" for test in lost)
    with own_database(workdir) as connection:
        found = connection.sql(f"select {counts} from ({relation})").fetchone() or ()
    return tuple(
        Finding("digits_lost", column, found[2 * i], found[2 * i + 1])
        for i, column in enumerate(columns)
        if found[2 * i]
    )


def _none_splits(head: Head, bad: list[MalformedLine]) -> ExportFault:
    """The fault of a file in which no line is a row under its header."""
    return ExportFault(
        "mostly_malformed",
        row=bad[0].source_row,
        found=f"no line that is a row of the {len(head.names)} columns in row {head.header_row}",
        expected="rows below a header",
        remedy="Say with `skip_rows` how many rows stand above the header; check `delimiter` and `quote`.",
    )


def _lying_on_its_side(
    text: Path,
    start: int,
    head: Head,
    name: str,
    kind: str,
    encoding: Encoding,
    spec: ReadSpec,
    workdir: Path,
) -> SourceTable:
    """A table whose columns are records. It has few lines, so all of it fits in memory."""
    lines: list[tuple[int, list[str]]] = []
    with text.open("rb") as raw:
        raw.seek(start)
        file = io.TextIOWrapper(raw, encoding="utf-8", errors="export_undecodable", newline="")
        for record in records(file, head.dialect, 1, text.stat().st_size):
            if len(lines) == COLUMNS:
                raise ExportFault(
                    "too_many_columns",
                    row=record.row,
                    found=f"more than {COLUMNS:,} lines",
                    expected="a table that lies on its side",
                    remedy="Leave `transposed` out.",
                )
            lines.append((record.row, split_or_fault(record)))
    rows, merged, _ = transposed(lines, {})
    sheet = write_sheet(rows, merged, spec.grid(), scratch(workdir, ".csv"))
    return written_table(
        sheet.written,
        sheet.header,
        sheet.header_row,
        file=name,
        encoding=encoding.name,
        format=kind,
        spec=spec,
        used=set(sheet.used),
    )
