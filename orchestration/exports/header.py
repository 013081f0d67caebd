"""What stands before the data of a delimited file.

Belongs here: the rows to skip, the dialect, the header's names, and where the data begin.
Does not belong here: the data.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from .columns import joined_header
from .dialect import SEP_LINE, Dialect, dialect_of
from .errors import ExportFault
from .limits import LINE_BYTES
from .records import Record, records
from .spec import ReadSpec

HEAD_BYTES = 2 * LINE_BYTES
SNIFFED_CHARACTERS = 262_144


@dataclass(frozen=True)
class Head:
    """Names, and where the data begin, in bytes and in rows."""

    dialect: Dialect
    names: list[str]
    header_row: int
    data_start: int
    first_row: int
    preamble: bytes  # what stands before the data
    lines: int  # of the preamble, a header record that spans several counted as one


def head_of(path: Path, start: int, spec: ReadSpec, suffix: str) -> Head:
    """The head of a UTF-8 file whose text begins at byte ``start``."""
    with path.open("rb") as file:
        file.seek(start)
        raw = file.read(HEAD_BYTES)
    skipped, skipped_lines = _skipped(raw, spec.skip_rows)
    if spec.skip_rows == 0 and (said := SEP_LINE.match(raw[:16].decode("utf-8", "ignore"))):
        skipped, skipped_lines = len(said.group().encode()), 1
        spec = spec if spec.delimiter else spec.model_copy(update={"delimiter": said.group(1)})
    text = raw[skipped:].decode("utf-8", "ignore")
    whole = len(raw) < HEAD_BYTES and len(text) <= SNIFFED_CHARACTERS
    dialect = dialect_of(text[:SNIFFED_CHARACTERS], whole, spec, suffix)
    blank, header = _header_records(text, dialect, skipped_lines + 1, max(spec.header_rows, 1))
    taken = header[: spec.header_rows]
    names = (
        joined_header([record.fields or [] for record in taken])
        if taken
        else [f"column_{i + 1}" for i in range(len(header[0].fields or []))]
    )
    consumed = skipped + sum(len(record.text.encode()) for record in [*blank, *taken])
    header_row = skipped_lines + len(blank) + 1
    return Head(
        dialect,
        names,
        header_row,
        data_start=start + consumed,
        first_row=header_row + len(taken),
        preamble=raw[:consumed],
        lines=skipped_lines + len(blank) + len(taken),
    )


def lines_to_skip(head: Head, line_end: bytes) -> int | None:
    """Lines of the preamble, if DuckDB counts them as we do: ended as the data are, quotes closed in each."""
    lines = head.preamble.split(line_end)[:-1]
    quote = head.dialect.quote.encode() or b"\0"
    plain = len(lines) == head.lines and head.preamble.endswith(line_end)
    plain = plain and all(line.count(quote) % 2 == 0 and not {*b"\r\n"} & {*line} for line in lines)
    return head.lines if plain or not head.preamble else None


def split_or_fault(record: Record) -> list[str]:
    """Fields of a record that must be one."""
    if record.fields is None:
        raise ExportFault(
            "unclosed_quote",
            row=record.row,
            found=f"a header line that cannot be split: {record.reason}",
            expected="quotes in pairs",
            remedy='State `quote`, or `quote: ""` if quotes are plain text here.',
        )
    return record.fields


def _header_records(text: str, dialect: Dialect, row: int, wanted: int) -> tuple[list[Record], list[Record]]:
    """Blank lines above the header, and the header's records."""
    blank: list[Record] = []
    header: list[Record] = []
    for record in records(io.StringIO(text, newline=""), dialect, row, len(text)):
        if not header and record.fields == []:
            blank.append(record)
            continue
        split_or_fault(record)
        header.append(record)
        if len(header) == wanted:
            return blank, header
    if not header:
        raise ExportFault(
            "empty_file", found="no text", expected="a header and rows", remedy="Ask for the file again."
        )
    return blank, header


def _skipped(raw: bytes, rows: int) -> tuple[int, int]:
    """Bytes and lines of the stated rows above the header."""
    at = 0
    for done in range(rows):
        end = _line_end(raw, at)
        if end is None:
            raise ExportFault(
                "no_header",
                row=done + 1,
                found=f"{done} rows",
                expected=f"a header below {rows} rows",
                remedy="Correct `skip_rows`.",
            )
        at = end
    return at, rows


def _line_end(raw: bytes, at: int) -> int | None:
    newline, ret = raw.find(b"\n", at), raw.find(b"\r", at)
    if ret >= 0 and (newline < 0 or ret < newline - 1):
        return ret + 1
    return newline + 1 if newline >= 0 else None
