"""Whether every line of the SQL in `dbt_project` fits into 110 columns.

    python -m tests.sql_lines

Prints `file:line: 117 columns, at most 110` for each longer line; the exit code is then 1. Prints nothing
when every line fits; the exit code is then 0. What dbt writes into `target` does not count.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = 110


def long_lines(project: Path) -> list[str]:
    """A sentence for each line of the project's SQL that is too long, in the order of the files."""
    files = sorted(f for f in project.rglob("*.sql") if f.relative_to(project).parts[0] != "target")
    return [
        f"{file.relative_to(project.parent)}:{number}: {len(line)} columns, at most {MOST}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > MOST
    ]


def main() -> int:
    """Print the lines that are too long; the exit code."""
    found = long_lines(ROOT / "dbt_project")
    for sentence in found:
        print(sentence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
