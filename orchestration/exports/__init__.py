"""How the files of a delivery become tables of text.

Belongs here: reading formats and encodings, finding every row that is not one, and refusing what cannot be
read in bounded memory and time. Does not belong here: what columns and cells mean (mapping, dbt), and where
rows go.

    for table in open_tables(path, ReadSpec(sheet="Labs"), workdir):
        connection.sql(f"select * from ({table.relation})")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .columns import BLANKS
    from .errors import ExportFault, MalformedLine
    from .open import UnreadPart, left_unread, open_tables
    from .spec import ReadSpec
    from .tables import Finding, SourceTable

__all__ = [
    "BLANKS",
    "ExportFault",
    "Finding",
    "MalformedLine",
    "ReadSpec",
    "SourceTable",
    "UnreadPart",
    "left_unread",
    "open_tables",
]
_HOMES = {
    "BLANKS": "columns",
    "ExportFault": "errors",
    "MalformedLine": "errors",
    "UnreadPart": "open",
    "left_unread": "open",
    "open_tables": "open",
    "ReadSpec": "spec",
    "Finding": "tables",
    "SourceTable": "tables",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used, so that a worker process starts without what it does not need."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
