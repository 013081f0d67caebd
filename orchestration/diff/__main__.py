"""`python -m orchestration.diff BEFORE AFTER REGISTRY`: the difference of two release files, as JSON.

The pages start this as a process with bounds on time and memory, so that they need not compute or wait
themselves. If the two cannot be compared, the answer is `{"refused": sentence}`.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from orchestration.diff.changes import compare_files
from orchestration.diff.sides import NotComparable
from orchestration.diff.told import as_json
from orchestration.processes import die_with_parent
from orchestration.registry.folder import load_registry

MEMORY_BYTES = 8 << 30  # address space; the interpreter, its libraries and DuckDB take 3 of it


def main(before: str, after: str, registry: str) -> None:
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said = as_json(compare_files(Path(before), Path(after), load_registry(Path(registry))))
    except NotComparable as cannot:
        said = json.dumps({"refused": str(cannot)})
    except MemoryError:
        said = json.dumps({"refused": f"the comparison needs more than {MEMORY_BYTES >> 30} GB of memory"})
    print(said)


if __name__ == "__main__":
    main(*sys.argv[1:])
