"""What readers of grids of cells must be told.

Belongs here: that, and nothing it would need an import for. Does not belong here: the reading.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GridSpec:
    """What ``ReadSpec`` says of grids, in a form that a worker process starts without pydantic for."""

    sheet: str | None
    skip_rows: int
    header_rows: int
    transposed: bool
    encoding: str | None
    damaged_text: str
    decimal_mark: str = "."
