"""Which delimiter and quote a text table uses, from its first lines.

Belongs here: guessing them, and nothing that reads the whole file.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .spec import ReadSpec

DELIMITERS = (",", "\t", ";", "|", "^", "~", "\x1f", "\x01", "§", "¦")
SAMPLE_ROWS = 200
SEP_LINE = re.compile(r'"?sep=(.)"?(?:\r\n|\n|\r)', re.IGNORECASE)  # a first line that Excel understands


@dataclass(frozen=True)
class Dialect:
    """``quote`` and ``escape`` may be empty, which means that there are none."""

    delimiter: str
    quote: str = '"'
    escape: str = ""


def dialect_of(head: str, whole: bool, spec: ReadSpec, suffix: str) -> Dialect:
    """The dialect stated in ``spec``, completed from ``head``, the file's first text after the rows to skip.

    ``whole`` says that ``head`` is the whole text. Otherwise its last line is cut off somewhere, and is left
    out.
    """
    quote = '"' if spec.quote is None else spec.quote
    escape = spec.escape or ""
    if spec.delimiter is not None:
        return Dialect(spec.delimiter, quote, escape)
    if spec.format == "tsv" or suffix in (".tsv", ".tab"):
        return Dialect("\t", quote, escape)
    lines = head if whole else head[: head.rfind("\n") + 1] or head
    quotes = [quote] if spec.quote is not None else ['"', "'"]
    best = max(
        (
            (*_consistency(lines, d, q), -i, -j, d, q)
            for i, d in enumerate(DELIMITERS)
            for j, q in enumerate(quotes)
        ),
        default=None,
    )
    if best is None or best[0] <= 0:
        return Dialect(",", quote, escape)
    return Dialect(best[-2], best[-1], escape)


def _consistency(text: str, delimiter: str, quote: str) -> tuple[float, int]:
    """Share of the first records that have the header's number of fields, and that number; 0 if it is one."""
    if delimiter not in text or (quote == "'" and "'" not in text):
        return (0.0, 0)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    counts = []
    try:
        for fields in reader:
            if any(fields):
                counts.append(len(fields))
            if len(counts) >= SAMPLE_ROWS:
                break
    except csv.Error:
        return (0.0, 0)
    if not counts or counts[0] < 2:
        return (0.0, 0)
    common, times = Counter(counts).most_common(1)[0]
    share = times / len(counts)
    if common != counts[0]:
        share *= 0.5
    return (round(share, 2), counts[0])
