"""The private ledger: the hospitals' own names of files, sheets, members and columns that are shown as
numbers everywhere else.

Belongs here: the file `private/names.csv` of a registry, readable by its owner alone, and the look-up in it.
It is not part of the warehouse, a release or git. Without it the numbers stay valid; only the hospital's own
names are lost. Does not belong here: which name gets which number (`landing/names.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from orchestration.files import write_atomically

HEADER = ("sender", "delivery", "load_id", "kind", "within", "told_as", "name")


@dataclass(frozen=True)
class PrivateName:
    """One name of a file, a sheet or a column (``kind``), within a file that is shown as ``within``."""

    sender: str
    delivery: str
    load_id: str
    kind: str
    within: str
    told_as: str
    name: str


def ledger_of(registry_folder: Path) -> Path:
    return registry_folder / "private" / "names.csv"


def read_names(registry_folder: Path) -> Iterator[PrivateName]:
    """Every name in the ledger."""
    try:
        text = ledger_of(registry_folder).read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    rows = csv.reader(io.StringIO(text, newline=""))
    next(rows, None)
    yield from (PrivateName(*row) for row in rows if len(row) == len(HEADER))


def keep_names(registry_folder: Path, names: Iterable[PrivateName]) -> None:
    """Add names. The file is replaced in one step, and others can never read it, not even for a moment."""
    known = dict.fromkeys(read_names(registry_folder))
    new = [name for name in names if name not in known]
    if not new:
        return
    path = ledger_of(registry_folder)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows(astuple(name) for name in (*known, *new))
    write_atomically(path, text.getvalue(), durable=True, mode=0o600)


@dataclass(frozen=True)
class Resolver:
    """The hospital's own names of files and sheets, by load and by the name that is shown."""

    files: dict[tuple[str, str], str]
    sheets: dict[tuple[str, str, str], str]

    @classmethod
    def of(cls, registry_folder: Path) -> Resolver:
        found = list(read_names(registry_folder))
        return cls(
            {(n.load_id, n.told_as): n.name for n in found if n.kind == "file"},
            {(n.load_id, n.within, n.told_as): n.name for n in found if n.kind == "sheet"},
        )

    def file(self, load_id: str, told_as: str) -> str:
        return self.files.get((load_id, told_as), told_as)

    def sheet(self, load_id: str, file: str, told_as: str | None) -> str | None:
        return None if told_as is None else self.sheets.get((load_id, file, told_as), told_as)

    def told_as(self, load_id: str, file: str, sheet: str | None) -> tuple[str, str | None]:
        """The shown names of a file and a sheet that are given as the hospital names them."""
        own = next(
            (told for (load, told), name in self.files.items() if (load, name) == (load_id, file)), file
        )
        if sheet is None:
            return own, None
        return own, next(
            (
                told
                for (load, within, told), name in self.sheets.items()
                if (load, within, name) == (load_id, own, sheet)
            ),
            sheet,
        )
