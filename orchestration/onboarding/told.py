"""The names under which a draft shows the files, sheets and columns of a sample. A mapping goes into git, so
they must not name anybody.

Belongs here: a pattern in the place of every name that may tell who somebody is. Does not belong here: which
words are known (`registry/known_words.py`).

Known words stay, and everything else becomes `*`: `labs_2024-06_Mueller.csv` becomes `labs_*.csv`. If such a
pattern would match another table too, the first letters of the names distinguish them: `[MS]*.csv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from orchestration.exports import ExportFault
from orchestration.registry.known_words import is_made_of_known_words, may_name_a_person

MOST_LETTERS = 26


def pattern_of(names: Sequence[str], others: Iterable[str], has_suffix: bool) -> str:
    """One pattern for names that are alike. It matches none of the other names if a pattern can distinguish
    them.
    """
    others = [name for name in others if name not in names]
    found = {_starred(name, has_suffix) for name in names}
    suffix = PurePosixPath(names[0]).suffix if has_suffix else ""
    pattern = found.pop() if len(found) == 1 else f"*{suffix}"
    if not any(fnmatchcase(other, pattern) for other in others):
        return pattern
    letters = "".join(sorted({name[0] for name in names if name and name[0].isalpha()}))
    narrow = f"[{letters}]*{suffix}" if len(letters) > 1 else f"{letters}*{suffix}"
    if letters and len(letters) <= MOST_LETTERS and all(fnmatchcase(n, narrow) for n in names):
        return narrow
    return pattern


def _starred(name: str, has_suffix: bool) -> str:
    suffix = PurePosixPath(name).suffix if has_suffix else ""
    stem = name.removesuffix(suffix)
    parts = re.split(r"([_\-. /]+)", stem)
    kept = [
        part
        if re.fullmatch(r"[_\-. /]*", part) or (is_made_of_known_words(part) and not re.search(r"\d\d", part))
        else "*"
        for part in parts
    ]
    if len(parts) > 1 and not any(part == "*" for part in kept) and not is_made_of_known_words(stem):
        kept = ["*"]
    return re.sub(r"\*(?:[_\-. /]*\*)+", "*", "".join(kept)) + suffix


def told_column(name: str, columns: Sequence[str]) -> str:
    """A column as a draft names it: by a pattern of its first letter if its name may tell who somebody is."""
    if not may_name_a_person(name):
        return name
    for letters in (1, 2):
        pattern = name[:letters] + "*"
        if (
            sum(c.startswith(name[:letters]) for c in columns) == 1
            and "*" not in name[:letters]
            and name[:letters].isalpha()
        ):
            return pattern
    return "*"


def told_fault(fault: ExportFault, file: str) -> str:
    """A reader's sentence, without any name that may tell who somebody is."""
    numbers: dict[str, int] = {}

    def shown(kind: str, name: str) -> str:
        if kind == "column":
            return "a column" if may_name_a_person(name) else f'"{name}"'
        if is_made_of_known_words(name):
            return f'"{name}"'
        return f'"{_starred(name, kind == "member")}" ({kind} {numbers.setdefault(name, len(numbers) + 1)})'

    return fault.told(shown, lambda _: file)
