"""Splits text into records, one physical line at a time, and writes them out plainly.

Belongs here: the careful path for files that the fast path (``survey.py``) finds irregular: quotes inside
unquoted text, a quote that never closes, escapes, delimiters of several characters, mixed line ends. A line
that cannot be split is reported with its row, and reading goes on at the next line. Does not belong here:
headers, encodings, SQL.

A quoted field may hold line ends; the record is then one row, as in a spreadsheet. Its quote may fail to
close, may close in the middle of text, or may run past the record limit. Then *only the first line* is
malformed, and the lines after it are read again as records of their own. One lost quote therefore does not
swallow the rest of the file.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from .columns import is_blank
from .dialect import Dialect
from .errors import ExportFault
from .limits import LINE_BYTES, MIB
from .rows import RowWriter, Written

END_OF_FILE = "\x1a"  # DOS
REREAD_BYTES = 256 * MIB  # text read again after lost quotes, over a whole file


@dataclass(frozen=True)
class Record:
    """``fields`` is None for a line that could not be split; then ``rule`` and ``reason`` say why."""

    row: int
    fields: list[str] | None
    text: str
    rule: str = ""
    reason: str = ""


class _Unsplittable(Exception):
    def __init__(self, rule: str, reason: str) -> None:
        self.rule, self.reason = rule, reason


class _Splitter:
    """Fields of one record, fed line by line."""

    def __init__(self, dialect: Dialect) -> None:
        self.delimiter, self.quote, self.escape = dialect.delimiter, dialect.quote, dialect.escape
        self.stop = re.compile("|".join(re.escape(s) for s in (self.quote, self.escape) if s) or r"(?!)")
        self.fields: list[str] = []
        self.open: list[str] | None = None  # parts of a quoted field that has not closed

    def feed(self, line: str) -> bool:
        """Take one physical line with its line end; True when the record is complete."""
        text = line[:-2] if line.endswith("\r\n") else line[:-1] if line.endswith(("\n", "\r")) else line
        at = 0
        if self.open is not None:
            closed = self._quoted(line, 0)
            if closed is None:
                return False
            at = closed
            if at > len(text):
                return True
        while True:
            start = at
            if self.quote:
                while start < len(text) and text[start] == " ":
                    start += 1
            if self.quote and text.startswith(self.quote, start):
                self.open = []
                closed = self._quoted(line, start + len(self.quote))
                if closed is None:
                    return False
                at = closed
            else:
                at = self._plain(text, at)
            if at > len(text):
                return True

    def _plain(self, text: str, at: int) -> int:
        """Read an unquoted field; returns the position after its delimiter, or beyond the end."""
        if self.escape:
            match = re.compile(
                rf"(?:{re.escape(self.escape)}.|(?!{re.escape(self.delimiter)}).)*", re.DOTALL
            ).match(text, at)
            end = match.end() if match else at
            self.fields.append(re.sub(rf"{re.escape(self.escape)}(.)", r"\1", text[at:end], flags=re.DOTALL))
            return end + len(self.delimiter) if end < len(text) else len(text) + 1
        end = text.find(self.delimiter, at)
        if end < 0:
            self.fields.append(text[at:])
            return len(text) + 1
        self.fields.append(text[at:end])
        return end + len(self.delimiter)

    def _quoted(self, line: str, at: int) -> int | None:
        """Read on inside quotes; returns the position after the field's delimiter or beyond the end, or None
        if the field is still open.
        """
        assert self.open is not None
        while True:
            match = self.stop.search(line, at)
            if match is None:
                self.open.append(line[at:])
                return None
            self.open.append(line[at : match.start()])
            if match.group() == self.escape and self.escape != self.quote:
                self.open.append(line[match.end() : match.end() + 1])
                at = match.end() + 1
                continue
            if line.startswith(self.quote, match.end()):
                self.open.append(self.quote)
                at = match.end() + len(self.quote)
                continue
            self.fields.append("".join(self.open))
            self.open = None
            return self._after_quote(line, match.end())

    def _after_quote(self, line: str, at: int) -> int:
        rest = line[at:].rstrip("\r\n") if len(line) - at < 64 else line[at:]
        blank = len(rest) - len(rest.lstrip(" "))
        if rest.startswith(self.delimiter):
            return at + len(self.delimiter)
        if rest.startswith(self.delimiter, blank):
            return at + blank + len(self.delimiter)
        if not rest.strip(" \r\n"):
            return len(line) + 1
        raise _Unsplittable("text_after_quote", "text follows a closing quote")


def records(file: TextIO, dialect: Dialect, first_row: int, size: int) -> Iterator[Record]:
    """Records from ``file`` (opened with ``newline=""``), numbered from ``first_row``; a blank line has no
    fields."""
    waiting: deque[str] = deque()
    row, reread = first_row, 0

    def next_line() -> str:
        if waiting:
            return waiting.popleft()
        line = file.readline(LINE_BYTES + 1)
        if len(line) > LINE_BYTES:
            raise ExportFault(
                "line_too_long",
                row=row,
                found=f"a line of more than {LINE_BYTES:,} characters",
                expected="a table's row",
                remedy="Check that the file is a table and ask for it again.",
            )
        return line

    while line := next_line():
        if line.strip("\r\n") == "":
            yield Record(row, [], line)
            row += 1
            continue
        if not (dialect.quote and dialect.quote in line) and not dialect.escape:
            yield Record(row, line.rstrip("\r\n").split(dialect.delimiter), line)
            row += 1
            continue
        splitter, taken, length, fault = _Splitter(dialect), [line], len(line), None
        try:
            while not splitter.feed(taken[-1]):
                more = next_line() if length <= LINE_BYTES else ""
                if not more:
                    raise _Unsplittable("unclosed_quote", "a quote opens and does not close")
                taken.append(more)
                length += len(more)
        except _Unsplittable as unsplittable:
            fault = unsplittable
        if fault is None:
            yield Record(row, splitter.fields, "".join(taken))
        else:
            waiting.extendleft(reversed(taken[1:]))
            reread += length - len(taken[0])
            if reread > max(REREAD_BYTES, 4 * size):
                raise ExportFault(
                    "unbalanced_quotes",
                    row=row,
                    found="quotes that open and do not close, throughout",
                    expected="quotes in pairs",
                    remedy='State `quote`, or `quote: ""` if quotes are plain text here.',
                )
            rule = "unclosed_quote" if len(taken) > 1 and fault.rule == "text_after_quote" else fault.rule
            yield Record(row, None, taken[0], rule, fault.reason)
        row += 1


def rewrite(
    source: Path, start: int, dialect: Dialect, width: int, first_row: int, target: Path, keep_damaged: bool
) -> Written:
    """The records of ``source`` (UTF-8, from byte ``start``) written plainly to ``target``."""
    with source.open("rb") as raw, RowWriter(target, keep_damaged) as writer:
        raw.seek(start)
        file = io.TextIOWrapper(raw, encoding="utf-8", errors="export_undecodable", newline="")
        for record in records(file, dialect, first_row, source.stat().st_size):
            fields = record.fields
            if fields is None:
                writer.reject(record.row, record.rule, record.reason, record.text)
            elif is_blank(fields) or fields == [END_OF_FILE]:
                continue
            elif len(fields) == width or (len(fields) == width + 1 and not fields[-1]):
                writer.write(record.row, fields[:width], record.text.rstrip("\r\n"))
            else:
                writer.reject(record.row, *wrong_count(len(fields), width), record.text)
    return writer.done()


def wrong_count(found: int, width: int) -> tuple[str, str]:
    """Rule and reason of a record with too few or too many fields."""
    return ("wrong_field_count", f"{found} field{'s' if found != 1 else ''} where the header has {width}")
