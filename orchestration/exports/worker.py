"""A process of its own for formats whose parsers are not ours, with limits on memory and time.

Belongs here: starting it, its limits, and turning its end into a result or a fault. A workbook can lay out
17 thousand million cells from two, and a damaged statistics file can crash a C library: here that ends a
process, not ours. Does not belong here: what is done inside (``workbook.py``, ``statistics_file.py``).

    python -m orchestration.exports.worker   reads a task as JSON from stdin, answers with JSON on stdout
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from .errors import ExportFault
from .limits import GIB, WORKER_MEMORY_BYTES, WORKER_SECONDS

FAULT_KEYS = ("rule", "found", "expected", "remedy", "sheet", "row", "column")


def in_worker(job: str, **arguments: Any) -> Any:
    """The result of ``job`` (a name in ``_run``) in a process with limits, or the fault that it found."""
    task = json.dumps({"job": job, "arguments": arguments})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "orchestration.exports.worker"],
            env=_environment(),
            input=task.encode(),
            capture_output=True,
            timeout=2 * WORKER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_much("time") from None
    if done.returncode != 0:
        raise _ended(done.returncode, done.stderr)
    answer = json.loads(done.stdout)
    if "fault" in answer:
        raise _fault(answer["fault"])
    return answer["result"]


def _environment() -> dict[str, str]:
    """Where our modules are, and nothing else: no key or password of ours is near a hostile file."""
    return {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


def _fault(found: dict[str, Any]) -> ExportFault:
    return ExportFault(**{**found, "others": [_fault(other) for other in found["others"]]})


def _fault_json(fault: ExportFault) -> dict[str, Any]:
    found = {key: getattr(fault, key) for key in FAULT_KEYS}
    return {**found, "others": [_fault_json(other) for other in fault.others]}


def _ended(code: int, stderr: bytes) -> ExportFault:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _too_much("time")
    if code == -signal.SIGABRT or b"MemoryError" in stderr or b"memory allocation" in stderr:
        return _too_much("memory")
    where = stderr.decode("utf-8", "replace").strip().rpartition("\n")[2].partition(":")[0][:80]  # no values
    return ExportFault(
        "unreadable_file",
        found=f"a file that its reader cannot parse ({where or f'signal {-code}'})",
        expected="a complete file",
        remedy="It is damaged; ask for it again, or for CSV.",
    )


def _too_much(what: str) -> ExportFault:
    limit = (
        f"{WORKER_MEMORY_BYTES // GIB} GiB of memory"
        if what == "memory"
        else f"{WORKER_SECONDS} s of processor time"
    )
    return ExportFault(
        "too_large_to_read",
        found=f"a file that takes more than {limit} to read",
        expected="a table of that size or less",
        remedy="Look for cells far outside the table, or ask for CSV.",
    )


def _run(job: str, arguments: dict[str, Any]) -> Any:
    if job == "workbook":
        from .workbook import read_workbook

        return read_workbook(**arguments)
    if job == "other_sheets":
        from .workbook import other_sheets

        return other_sheets(**arguments)
    if job == "statistics_file":
        from .statistics_file import read_statistics_file

        return read_statistics_file(**arguments)
    raise ValueError(f"no job {job}")


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (WORKER_MEMORY_BYTES, WORKER_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (WORKER_SECONDS, WORKER_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")  # a parser that prints does not reach it
    os.dup2(2, 1)
    task = json.load(sys.stdin)
    try:
        answer = {"result": _run(task["job"], task["arguments"])}
    except ExportFault as fault:
        answer = {"fault": _fault_json(fault)}
    json.dump(answer, answers)


if __name__ == "__main__":
    main()
