"""`myositis diff`: what changed between two releases, on the screen or as JSON or CSV.

Belongs here: which two, and where the answer goes. Does not belong here: finding what changed
(`orchestration/diff/`).
"""

from __future__ import annotations

from orchestration.command import console
from orchestration.diff.changes import compare_files
from orchestration.diff.sides import chosen
from orchestration.diff.told import as_csv, as_json, lines
from orchestration.registry.folder import Registry


def show(
    registry: Registry, before: str | None, after: str | None, form: str, most: int, with_keys: bool
) -> None:
    """Print the difference of two releases. Raises NotComparable."""
    diff = compare_files(*chosen(registry, before, after), registry)
    if form == "json":
        print(as_json(diff, with_keys))
    elif form == "csv":
        print(as_csv(diff, with_keys), end="")
    else:
        for line in lines(diff, most, with_keys):
            console.out.print(line, markup=False)
    console.err.print("not for publication: nothing in this answer is masked", markup=False)
