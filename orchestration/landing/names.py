"""The names under which layers, messages and reports show a delivery's files, sheets, archive members and
columns.

A name is shown if the mapping spells it out. Every other name may tell who a patient is (`Mueller_Anna.csv`,
a sheet `Mueller Anna 05.05.2010`), so a number replaces it: in the place of a pattern's `*` (`labs_#2.csv`),
or of the whole name (`#2`). The private ledger of the registry holds the name behind each number. Columns
made of known words are shown too (`known_words.py`), because a message about a header must be of use; every
other column is shown by its letter.

Belongs here: that rule. Does not belong here: the ledger (`registry/private_names.py`), reading files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from orchestration.exports import ExportFault
from orchestration.landing.inventory import DeliveredFile, Inventory
from orchestration.registry import catalogue
from orchestration.registry.known_words import is_made_of_known_words
from orchestration.registry.mapping import Export, Mapping, is_called
from orchestration.registry.private_names import PrivateName, keep_names

WILD = re.compile(r"\*+|\?|\[[^\]]+\]")
SUFFIXES = (
    "csv",
    "txt",
    "dat",
    "tsv",
    "tab",
    "json",
    "ndjson",
    "jsonl",
    "por",
    "xlsx",
    "xlsm",
    "xlsb",
    "xls",
    "ods",
    "parquet",
    "sas7bdat",
    "xpt",
    "sav",
    "zsav",
    "dta",
    "zip",
    "gz",
    "bz2",
    "xz",
    "html",
    "xml",
    "pdf",
    "md",
)
ALIKE = 0.85  # a header this near to a mapped name is taken for that name misspelled


@dataclass
class Names:
    """The names of one delivery, in the form in which its mapping lets them be shown."""

    mapping: Mapping
    inventory: Inventory
    sheet_numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)  # by file and sheet as they are shown
    private: dict[tuple[str, str, str], str] = field(default_factory=dict)  # kind, within, shown as: the name

    # files and archive members

    def file(self, name: str) -> str:
        """A file of the delivery, or a member of one (``archive.zip/member.csv``)."""
        if name in self._files:
            return self._kept("file", "", self._files[name], name)
        for file in self.inventory.files:
            if name.startswith(f"{file.name}/"):
                return f"{self.file(file.name)}/{self.member(file.name, name.removeprefix(f'{file.name}/'))}"
        return self._kept("file", "", _told_by_number("#", name), name)

    @cached_property
    def _files(self) -> dict[str, str]:
        names = sorted(
            [f.name for f in self.inventory.files] + [other.name for other in self.inventory.not_files]
        )
        return self._numbered(names, {name: self._patterns_of(name) for name in names})

    def _patterns_of(self, name: str) -> list[str]:
        own = self.mapping
        patterns = [(x.file, own.ignores_case(x)) for x in own.exports if not _hides("file", x)]
        patterns += [(c.file, own.ignores_case(x)) for x in own.exports for c in x.code_lists]
        return [
            p
            for p, without_case in dict.fromkeys(patterns)
            if is_called(name, p, without_case) or name.lower() == p.lower()
        ]

    def member(self, file: str, name: str) -> str:
        members = self._members(file)
        told = self._kept("member", self.file(file), members.get(name) or _told_by_number("#", name), name)
        self._kept("file", "", f"{self.file(file)}/{told}", f"{file}/{name}")
        return told

    def _members(self, file: str) -> dict[str, str]:
        from orchestration.exports.open import names_of_members

        if file not in self._listed:
            path = next((f.path for f in self.inventory.files if f.name == file), None)
            names = names_of_members(path) if path else []
            exports = [
                x
                for x in self.mapping.exports
                if x.member and self.mapping.reads(x, file) and not _hides("member", x)
            ]
            patterns = {n: [x.member for x in exports if x.member and is_called(n, x.member)] for n in names}
            self._listed[file] = self._numbered(names, patterns)
        return self._listed[file]

    @cached_property
    def _listed(self) -> dict[str, dict[str, str]]:
        return {}

    @staticmethod
    def _numbered(names: Sequence[str], patterns: dict[str, list[str]]) -> dict[str, str]:
        """Each name as it is shown. Names that match one pattern are numbered in their order, all others by
        their place.
        """
        told: dict[str, str] = {}
        under: dict[str, list[str]] = {}
        for name in names:
            own = patterns[name]
            if any(p.lower() == name.lower() or not _hidden_parts(p, name) for p in own):
                told[name] = name
            elif own:
                under.setdefault(own[0], []).append(name)
        for pattern, members in under.items():
            for number, name in enumerate(members, 1):
                told[name] = _filled(pattern, name, f"#{number:0{len(str(len(members)))}}")
        for number, name in enumerate(names, 1):
            told.setdefault(name, _told_by_number(f"#{number:0{len(str(len(names)))}}", name))
        return told

    # sheets

    def sheet(self, file: str, name: str | None, number: int | None = None) -> str | None:
        """The shown name of a sheet. File and sheet are given as the hospital calls them; ``number`` is the
        sheet's place in the workbook.
        """
        if name is None:
            return None
        if number is not None:
            self.sheet_numbers[file, name] = number
        patterns = [x.sheet for x in self._exports(file) if x.sheet and not _hides("sheet", x)]
        if any(p.lower() == name.lower() for p in patterns):
            return name
        number = self.sheet_numbers.get((file, name))
        mark = f"#{number}" if number else "#"
        pattern = next((p for p in patterns if is_called(name, p)), "*")
        return self._kept("sheet", self.file(file), _filled(pattern, name, mark), name)

    def _exports(self, file: str) -> list[Export]:
        return [x for x in self.mapping.exports if self._reads_any_of(x, file)]

    def _reads_any_of(self, export: Export, file: str) -> bool:
        """Whether an export reads a file, or the archive that it is a member of."""
        return any(
            self.mapping.reads(export, f.name)
            for f in self.inventory.files
            if file == f.name or file.startswith(f"{f.name}/")
        )

    # columns

    def column(self, name: str, columns: Sequence[str] = (), within: str = "") -> str:
        """A header in quotes if it may be shown; else its letter."""
        if self._is_known(name):
            return f'"{name}"'
        if name not in columns:
            return "a column whose name may tell who somebody is"
        letter = _letter(columns.index(name))
        self._kept("column", within, letter, name)
        return f"column {letter}"

    def listed(self, names: Iterable[str], columns: Sequence[str], within: str, most: int) -> str:
        """Several headers, as far as the first ``most`` of them."""
        names = list(names)
        shown = ", ".join(self.column(name, columns, within) for name in names[:most])
        return shown + (f" and {len(names) - most} more" if len(names) > most else "")

    def tellable(self, columns: Iterable[str]) -> list[str]:
        """The headers that may be shown, for example in `Did you mean …?`."""
        return [c for c in columns if self._is_known(c)]

    def _is_known(self, name: str) -> bool:
        own = catalogue.normal(name)
        if own in self._spelled or is_made_of_known_words(name):
            return True
        digits = re.sub(r"\D", "", name)
        near = difflib.get_close_matches(own, self._spelled, n=1, cutoff=ALIKE) if len(own) > 3 else []
        return bool(near) and digits == re.sub(r"\D", "", near[0])

    @cached_property
    def _spelled(self) -> list[str]:
        """Every column that the mapping spells out, in the form in which names are compared."""
        return sorted(
            {catalogue.normal(c) for x in self.mapping.exports for c in columns_spelled(x) if "*" not in c}
            - {""}
        )

    # messages of the readers

    def told(self, fault: ExportFault, file: str) -> str:
        """A reader's sentence, with every name in the form in which it may be shown."""

        def shown(kind: str, name: str) -> str:
            if kind == "sheet":
                self._look_up_sheets(file)
                return f'"{self.sheet(file, name)}"'
            if kind == "member":
                return f'"{self.member(file.partition("/")[0], name)}"'
            return self.column(name, self.columns.get(file, ()), self.file(file))

        return fault.told(shown, self.file)

    def _look_up_sheets(self, file: str) -> None:
        """Look up the places of a workbook's sheets when a message names a sheet that gave no table."""
        from orchestration.exports.open import sheet_places

        if any(known == file for known, _ in self.sheet_numbers):
            return
        delivered = next((f for f in self.inventory.files if f.name == file), None)
        for name, number in sheet_places(delivered.path, file) if delivered else ():
            self.sheet_numbers.setdefault((file, name), number)

    # the private ledger

    def _kept(self, kind: str, within: str, told_as: str, name: str) -> str:
        if told_as != name:
            self.private[kind, within, told_as] = name
        return told_as

    def keep(self, registry_folder: Path) -> None:
        """Write the names that numbers replace into the private ledger."""
        own = self.inventory
        keep_names(
            registry_folder,
            (
                PrivateName(own.sender, own.delivery, own.load_id, kind, within, told_as, name)
                for (kind, within, told_as), name in self.private.items()
            ),
        )


def columns_spelled(export: Export) -> Iterator[str]:
    """Every column that an export names, patterns included."""
    for _, entity in export.entities():
        yield from entity.columns()
    yield from export.columns_asked()
    for form in export.stated_forms():
        yield from (*form.columns, *form.columns_asked())
    yield from (
        *export.identifiers,
        *export.ignored,
        *export.undecided,
        *export.optional_columns,
        *export.fill_down,
    )
    for code_list in export.code_lists:
        yield from code_list.own_columns()
        yield from code_list.columns


def linked(file: DeliveredFile, number: int, workdir: Path) -> Path:
    """A link to the file under a name that tells nothing, because a library's error may quote the path that
    it was given.
    """
    suffix = "".join(s for s in PurePosixPath(file.name).suffixes[-2:] if s[1:].lower() in SUFFIXES)
    path = workdir / f"file_{number}{suffix}"
    if not path.is_symlink():
        path.symlink_to(file.path.absolute())
    return path


def _hides(what: str, export: Export) -> bool:
    """Whether a mapping says that names which it spells out are identifiers: `identifiers: [sheet]`."""
    return what in export.identifiers


def _parts(pattern: str, name: str) -> tuple[str, ...]:
    """What each wildcard of a pattern stands for in a name."""
    regex, at = "", 0
    for wild in WILD.finditer(pattern):
        regex += re.escape(pattern[at : wild.start()]) + "(.*?)"
        at = wild.end()
    found = re.fullmatch(regex + re.escape(pattern[at:]), name, re.DOTALL | re.IGNORECASE)
    return found.groups() if found else (name,)


def _goes_without_saying(part: str) -> bool:
    """Whether the part is empty, or only a suffix."""
    return not part or all(piece.lower() in SUFFIXES for piece in part.lstrip(".").split("."))


def _hidden_parts(pattern: str, name: str) -> list[str]:
    """The parts that a pattern's wildcards stand for, without those that are empty or only a suffix."""
    return [part for part in _parts(pattern, name) if not _goes_without_saying(part)]


def _filled(pattern: str, name: str, mark: str) -> str:
    """The pattern with the mark in place of the first wildcard that hides something, and `#` in place of the
    others that do.
    """
    if not WILD.search(pattern):
        return mark
    parts, marks = iter(_parts(pattern, name)), iter([mark])
    return WILD.sub(
        lambda _: part if _goes_without_saying(part := next(parts, "?")) else next(marks, "#"), pattern
    )


def _told_by_number(mark: str, name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return mark + (suffix if suffix[1:].lower() in SUFFIXES else "")


def _letter(index: int) -> str:
    from orchestration.exports.columns import column_letter

    return column_letter(index)
