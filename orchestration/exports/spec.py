"""How one kind of file is read: the keys under ``read`` in a hospital's mapping.

Belongs here: what a person must state if the file does not show it. Every key has a default that serves most
files. Does not belong here: what the cells mean (dates, missing marks); dbt interprets them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import Field

from yaml_files.strict import Strict

from .formats import STATED
from .grid import GridSpec

if TYPE_CHECKING:
    Format: TypeAlias = str
else:
    Format = Literal[STATED]


class ReadSpec(Strict):
    """How one kind of file is read."""

    format: Format = Field(
        "auto",
        description="Kind of file. `auto` decides by content, and by suffix where content cannot tell.",
    )
    sheet: str | None = Field(
        None,
        description="Worksheet to read, by name or pattern (`Labs*`). "
        "Without it every visible sheet with cells is read.",
    )
    member: str | None = Field(
        None,
        description="Pattern of the members of a zip archive to read, such as `*/labs_*.csv`. "
        "Without it all are.",
    )
    skip_rows: int = Field(0, ge=0, description="Rows above the header: titles, print dates.")
    header_rows: int = Field(
        1,
        ge=0,
        le=10,
        description="Rows of the header. Several are joined with ` / `, a blank taking the name to its left "
        "in every row but the last; 0 means none, and the columns are `column_1`, `column_2` ….",
    )
    encoding: str | None = Field(
        None,
        description="Character encoding, such as `gb18030`. Without it, detected and recorded, or refused.",
    )
    delimiter: str | None = Field(
        None, min_length=1, max_length=4, description="What stands between fields. Without it, detected."
    )
    quote: str | None = Field(
        None,
        max_length=1,
        description='What encloses a field, `"` if not said; empty when quotes are plain text.',
    )
    escape: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="What makes a following quote plain text, such as a backslash. "
        "Without it a quote is doubled.",
    )
    fill_down: list[str] = Field(
        default_factory=list,
        description="Columns whose blank cells take the value above, for exports that print a patient once. "
        "Cells that a workbook merges are filled down by themselves.",
    )
    transposed: bool = Field(
        False, description="The table lies on its side: each column of the sheet is a record."
    )
    labels: bool = Field(
        False,
        description="SAS, SPSS, Stata: give a coded value's label (`female`) in place of its code (`2`).",
    )
    each: str | None = Field(
        None,
        description="NDJSON: an array of the objects, each of whose elements is a row of its own. Its "
        "columns lose their number (`component.code.text`), which stands in `component[]`.",
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="Decimal mark of this table, instead of the file's."
    )
    damaged_text: Literal["reject", "keep"] = Field(
        "reject",
        description="A row whose text was damaged before it reached us (replacement characters, text "
        "decoded twice, UTF-7) is rejected; `keep` takes it as it came.",
    )

    def grid(self) -> GridSpec:
        """What readers of grids need to know."""
        return GridSpec(
            self.sheet,
            self.skip_rows,
            self.header_rows,
            self.transposed,
            self.encoding,
            self.damaged_text,
            self.decimal_mark,
        )

    @property
    def decimal_mark(self) -> str:
        """The decimal mark with which numbers of typed cells are written, so that the texts beside them can
        be read by the same rule.
        """
        return self.decimal or "."
