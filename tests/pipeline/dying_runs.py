"""Runs of the flow that are killed (SIGKILL) at a boundary of their choice: whatever changes what is on the
disk.

    python -m tests.pipeline.dying_runs NOTES
    # then lines of {"registry": DIR, "die_at": N, "begins": "taking", "is_for_taking": false}

die_at may be null: the run is not killed. A run makes the stages (`STAGES`) from ``begins`` on, or the first
alone.

Each line is answered by one: {"status": exit status, or -9 when it was killed, "boundaries": [[what, where],
…]}. The libraries are imported once; every run is a fork of that process, and ends with itself, so nothing of
one reaches the next. A run dies just before its boundary number ``die_at``: what the boundaries before it
left on the disk is all that the next run finds. A run that begins later takes up a copy of a run that died as
it began that stage, and so need not make again what lies before.

A run makes the calls that the assets make, in their order, without Dagster, whose events are most of a small
run's time; the suites and dbt's own tests, which read only, are left out for the same reason. Belongs here:
how a run is watched and killed. Does not belong here: any expectation. The product knows nothing of it.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STAGES = ("taking", "models", "candidate", "publishing")  # the last includes the report
ROOT = Path(__file__).resolve().parents[2]
TEMPORARY = re.compile(r"\s*create\s+(or\s+replace\s+)?temp\b", re.IGNORECASE)  # in memory
CHANGES = re.compile(
    r"\s*(insert|update|delete|create|drop|alter|truncate|copy|attach|checkpoint|commit|merge)\b",
    re.IGNORECASE,
)
BEGINS, ENDS = re.compile(r"\s*begin\b", re.IGNORECASE), re.compile(r"\s*(commit|rollback)\b", re.IGNORECASE)
FILE_CALLS = ("replace", "symlink", "link", "unlink", "rmdir", "mkdir", "chmod")


@dataclass
class Boundaries:
    """Each boundary of a run as it is reached: noted in ``notes``, and the end of the run when it is number
    ``die_at``.
    """

    notes: Path
    die_at: int | None
    inside: set[int] = field(
        default_factory=set
    )  # connections with a transaction open: what they change is not on the disk yet
    reached: int = 0

    def reach(self, what: str) -> None:
        with self.notes.open("a") as file:
            file.write(json.dumps([what, _where()]) + "\n")
        if self.reached == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.reached += 1

    def statement(self, connection: Any, sql: Any) -> None:
        text = (
            sql if isinstance(sql, str) else "commit"
        )  # a prepared statement: taken for one that changes something
        if BEGINS.match(text):
            self.inside.add(id(connection))
        elif ENDS.match(text):
            self.inside.discard(id(connection))
        if id(connection) not in self.inside and not TEMPORARY.match(text) and (found := CHANGES.match(text)):
            self.reach(found[1].lower())


def _where() -> str:
    """The step of a run that is at work, as ``module:function``: the outermost function of this project."""
    frame: Any = sys._getframe(2)
    step = "dbt"  # its threads know nothing of who called
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "orchestration"):
            step = f"{path.relative_to(ROOT / 'orchestration').with_suffix('').as_posix()}:{frame.f_code.co_name}"
        frame = frame.f_back
    return step


def watch(boundaries: Boundaries) -> None:
    """Put a watch on what changes the disk: statements outside a transaction, its end, and calls that name
    files.
    """
    import duckdb

    kind: Any = duckdb.DuckDBPyConnection
    for name in ("execute", "executemany", "sql", "query"):
        setattr(kind, name, _before(getattr(kind, name), lambda c, sql="", *_: boundaries.statement(c, sql)))
    for name in ("begin", "commit", "rollback"):
        setattr(
            kind, name, _before(getattr(kind, name), lambda c, *_, word=name: boundaries.statement(c, word))
        )
    for name in FILE_CALLS:
        setattr(os, name, _before(getattr(os, name), lambda *_, word=name: boundaries.reach(word)))


def _before(call: Callable[..., Any], watching: Callable[..., None]) -> Callable[..., Any]:
    def watched(*arguments: Any, **named: Any) -> Any:
        watching(*arguments)
        return call(*arguments, **named)

    return watched


def run(folder: Path, boundaries: Boundaries, stages: tuple[str, ...]) -> None:
    """What `myositis run` does in these stages."""
    from orchestration.raw.ingestion import ingest
    from orchestration.raw.outstanding import outstanding
    from orchestration.raw.reading_place import sweep
    from orchestration.registry.folder import load_registry
    from orchestration.release.candidate import make_candidate
    from orchestration.release.needs_build import needs_build
    from orchestration.release.publication import forget_loads_out_of_force, publish
    from orchestration.report.write import write_report
    from orchestration.resources import point_at
    from orchestration.results.compute import compute_and_write
    from orchestration.warehouse.build import build

    registry = load_registry(folder)
    point_at(registry)
    watch(boundaries)
    sweep(registry)
    if "taking" in stages:
        for inventory in outstanding(registry):
            verdict = ingest(registry, inventory.sender, inventory.delivery)
            assert verdict.is_accepted, verdict.reasons
    if stages == ("taking",) or ("taking" in stages and not needs_build(registry)):
        return
    if "models" in stages:
        results, _ = build(registry)
        assert all(r.passed for r in results), [r.unique_id for r in results if not r.passed]
    if "candidate" in stages:
        make_candidate(registry)
        compute_and_write(registry)
    publish(registry)
    forget_loads_out_of_force(registry)
    write_report(registry)
    assert not needs_build(registry)


def answer(asked: dict[str, Any], notes: Path) -> dict[str, Any]:
    """Run in a fork, and tell how it ended and what it reached."""
    notes.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            stages = STAGES[:1] if asked["is_for_taking"] else STAGES[STAGES.index(asked["begins"]) :]
            run(Path(asked["registry"]), Boundaries(notes, asked["die_at"]), stages)
            status = 0
        except BaseException:
            logging.disable(logging.NOTSET)
            logging.getLogger(__name__).exception("the run broke")
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    reached = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    return {"status": os.waitstatus_to_exitcode(status), "boundaries": reached}


def prepare() -> None:
    """Import what a run imports, read the models as dbt parsed them, and leave the checks out."""
    from orchestration.command import ahead
    from orchestration.running import checks
    from orchestration.running.second_process import prepare as prepare_one
    from orchestration.warehouse import dbt

    for name in (*ahead.SECOND, *ahead.FIRST):
        prepare_one(name)
    dbt.read_ahead()
    invoke: Any = dbt._invoke

    def without_tests(arguments: list[str], *rest: Any) -> Any:
        return invoke(
            [*arguments, "--exclude-resource-type", "test"] if arguments[0] == "build" else arguments, *rest
        )

    dbt.__dict__["_invoke"] = without_tests
    checks.__dict__["run_suite"] = lambda *_, **__: []


def main(lines: Iterator[str]) -> None:
    logging.disable(logging.CRITICAL)
    prepare()
    gc.freeze()  # a fork that collected garbage would copy every page of what is imported
    gc.disable()
    notes = Path(sys.argv[1])
    for line in lines:
        print(json.dumps(answer(json.loads(line), notes)), flush=True)


if __name__ == "__main__":
    main(iter(sys.stdin.readline, ""))
    os._exit(0)  # or Python looks for garbage among all that was imported before it leaves
