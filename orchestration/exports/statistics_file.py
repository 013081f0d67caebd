"""SAS, SPSS and Stata files as rows of text. Runs inside the worker process (``worker.py``), never in ours.

Belongs here: values as text, value labels if the mapping asks for them. Does not belong here: what a code
means without its label.

Missing values of every kind (system, user-defined, ``.a`` to ``.z``) become blank: the programs themselves
leave them out.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from .cells import cell_text
from .errors import ExportFault
from .rows import RowWriter

CHUNK_ROWS = 50_000


def read_statistics_file(
    path: str,
    kind: str,
    suffix: str,
    labels: bool,
    encoding: str | None,
    decimal_mark: str,
    keep_damaged: bool,
    workdir: str,
) -> dict[str, Any]:
    """The one table of the file written to ``workdir``: names, encoding, and ``rows.Written`` in JSON."""
    import pyreadstat

    reader = _reader(pyreadstat, kind, suffix, path)
    _refuse_truncated(path, kind, suffix)
    known = {"encoding": encoding} if encoding else {}
    try:
        _, meta = reader(path, metadataonly=True, output_format="dict", **known)
        names = list(meta.column_names)
        values = meta.variable_value_labels if labels else {}
        with RowWriter(Path(workdir) / "table.csv", keep_damaged) as writer:
            start, count = 0, CHUNK_ROWS
            dated: set[int] = set()
            while count == CHUNK_ROWS:
                columns, _ = reader(
                    path, row_offset=start, row_limit=CHUNK_ROWS, output_format="dict", **known
                )
                dated |= {i for i, name in enumerate(names) if _holds_date(columns[name])}
                texts = [_texts(columns[name], values.get(name, {}), decimal_mark) for name in names]
                count = len(texts[0]) if texts else 0
                for i, cells in enumerate(zip(*texts)):
                    if any(cells):
                        writer.write(start + i + 1, cells, "\t".join(cells))
                start += count
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError, OverflowError) as error:
        raise _unreadable(type(error).__name__) from None
    return {
        "columns": names,
        "encoding": meta.file_encoding,
        "written": writer.done().as_json(),
        "date_cells": sorted(dated),
    }


def _reader(pyreadstat: Any, kind: str, suffix: str, path: str) -> Any:
    if kind == "spss":
        return pyreadstat.read_por if suffix == ".por" else pyreadstat.read_sav
    if kind == "stata":
        return pyreadstat.read_dta
    with Path(path).open("rb") as file:
        return pyreadstat.read_xport if file.read(6) == b"HEADER" else pyreadstat.read_sas7bdat


def _refuse_truncated(path: str, kind: str, suffix: str) -> None:
    """ReadStat reads some truncated files without an error; files whose end is marked are checked for that
    mark.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(32)
        file.seek(max(size - 64, 0))
        tail = file.read()
    if head.startswith(b"<stata_dta>") and b"</stata_dta>" not in tail:
        raise _unreadable("its end is missing")
    if head.startswith(b"HEADER RECORD") and size % 80:
        raise _unreadable("its last record is cut")


def _unreadable(why: str) -> ExportFault:
    return ExportFault(
        "unreadable_file",
        found=f"a statistics file that its reader cannot parse ({why})",
        expected="a complete file",
        remedy="It is cut short or damaged, or its `encoding` must be stated; ask for it again, or for CSV.",
    )


def _holds_date(values: list[Any]) -> bool:
    return any(isinstance(value, dt.date) for value in values)


def _texts(values: list[Any], labels: dict[Any, str], decimal_mark: str) -> list[str]:
    if not labels:
        return ["" if v is None else cell_text(v, decimal_mark) for v in values]
    return ["" if v is None else str(labels.get(v, cell_text(v, decimal_mark))) for v in values]
