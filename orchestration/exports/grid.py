"""What readers of grids of cells need to be told.

Belongs here: only that, and nothing that needs an import. Does not belong here: the reading.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GridSpec:
    """The part of ``ReadSpec`` on grids, in a form that a worker process can use without
    importing pydantic.
    """

    sheet: str | None
    skip_rows: int
    header_rows: int
    transposed: bool
    encoding: str | None
    damaged_text: str
    decimal_mark: str = "."
