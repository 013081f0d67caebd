"""A run that is killed at any step: running again ends in the same state, and no reader sees half of a
release.

What is on the disk changes at a boundary alone: the end of a transaction, a statement outside one, a rename,
a link, a removed file. A small registry that has a release gets a second delivery; its run is killed before
one boundary after the other (`dying_runs.py`). The shipped registry is killed as the command runs it, with
its second process.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.command import flow
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from tests.pipeline.dying_runs import STAGES
from tests.registries import opened, shipped, table_digests, warehouse_digest
from tests.unit.test_loading import make_registry

ROOT = Path(__file__).parents[2]
MARKS = ("zjch/2023-06-30 taken", "models:", "results:")
CONTENT = ("staging", "intermediate", "marts")
SECOND_DELIVERY = {
    "patients.csv": "id,name,sex\n3,Cora Example,F\n2,Bert Example,M\n",
    "visits.csv": "id,date,CK,ALT,remark\n3,2024-01-05,100,20,\n2,2024-03-07,75,,\n",
}
# where a boundary is passed, and how many of its boundaries are tried; None: every one
PARTS: dict[str, tuple[tuple[str, ...], int | None]] = {
    "taking": (("raw/ingestion",), 7),
    "models": (("warehouse/build", "dbt"), 4),
    "candidate": (("release/candidate", "results/compute"), 3),
    "publishing": (("release/publication",), None),
    "report": (("report/write",), 2),
}


@dataclass
class Runs:
    """A process that runs registries, and kills a run where it is asked to."""

    process: subprocess.Popen[str]

    def run(
        self,
        registry: Path,
        die_at: int | None = None,
        *,
        begins: str = STAGES[0],
        is_for_taking: bool = False,
    ) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        asked = {
            "registry": str(registry),
            "die_at": die_at,
            "begins": begins,
            "is_for_taking": is_for_taking,
        }
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@dataclass(frozen=True)
class State:
    """All that a run leaves for what comes behind it: the warehouse's content, and which files there are."""

    tables: dict[str, str]
    files: set[str]


@dataclass
class Undisturbed:
    """A registry with a release and a delivery that is outstanding, and what its run passes and leaves."""

    runs: Runs
    beginnings: dict[str, tuple[int, Path]]  # a stage's first boundary, and what a run left that died there
    taken: State
    boundaries: list[list[str]]
    content: tuple[str, dict[str, str]]
    marts: dict[str, str]
    releases: tuple[str, str]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    folder = tmp_path_factory.mktemp("dying")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.dying_runs", str(folder / "notes")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        runs, before, after = Runs(process), folder / "before", folder / "after"
        make_registry(before)
        assert runs.run(before)["status"] == 0
        first = current(before)
        second = before / "landing" / "north" / "second"
        second.mkdir()
        for name, text in SECOND_DELIVERY.items():
            (second / name).write_text(text)
        shutil.copytree(before, after, symlinks=True)
        told = runs.run(after)
        assert told["status"] == 0
        beginnings = {STAGES[0]: (0, before)}
        for stage in STAGES[1:]:
            first_of_stage, begun = chosen(told["boundaries"], stage)[0], folder / stage
            _kill(runs, beginnings, begun, first_of_stage)
            beginnings[stage] = (first_of_stage, begun)
        yield Undisturbed(
            runs,
            beginnings,
            state(beginnings["models"][1]),
            told["boundaries"],
            release_digest(after),
            marts_digest(after),
            (first, current(after)),
        )
        assert process.stdin is not None
        process.stdin.close()


def current(registry: Path) -> str:
    return os.readlink(registry / "release" / "current.duckdb")


def release_digest(registry: Path) -> tuple[str, dict[str, str]]:
    path = (registry / "release" / "current.duckdb").resolve()
    with duckdb.connect(str(path), read_only=True) as connection:
        return path.name, table_digests(connection, ("release", "results", "quality"))


def marts_digest(registry: Path) -> dict[str, str]:
    with duckdb.connect(str(registry / "warehouse" / "warehouse.duckdb"), read_only=True) as connection:
        return table_digests(connection, CONTENT)


def state(registry: Path) -> State:
    with duckdb.connect(str(registry / "warehouse" / "warehouse.duckdb"), read_only=True) as connection:
        tables = table_digests(connection, ("raw", *CONTENT, "quality"))
    files = {path.relative_to(registry).as_posix() for path in registry.rglob("*")}
    # what a killed read had before it lies in a folder that no later step opens
    passing = ("warehouse/warehouse.duckdb.wal", "warehouse/reading-")
    return State(tables, {name for name in files if not name.startswith(passing)})


def chosen(boundaries: list[list[str]], part: str) -> list[int]:
    """Numbers of the boundaries of a part, evenly spread where they are too many; the first and the last are
    always there.
    """
    places, most = PARTS[part]
    found = [number for number, (_, where) in enumerate(boundaries) if where.startswith(places)]
    if most is None or len(found) <= most:
        return found
    return sorted({found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)})


def reader_sees_a_whole_release(registry: Path) -> str:
    """The release that a reader opens is the file that its manifest describes; returns its name."""
    path = (registry / "release" / "current.duckdb").resolve(strict=True)
    manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == manifest["sha256"]
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = {t: connection.execute(f"select count(*) from {t}").fetchone()[0] for t in manifest["rows"]}
        assert rows == manifest["rows"]
        assert connection.execute("select release_id from release.release_info").fetchall() == [
            (manifest["release_id"],)
        ]
    return path.name


def test_the_boundaries_of_a_run_are_seen_from_landing_to_report(undisturbed: Undisturbed) -> None:
    """Else the tests below would kill nothing, or not where they say."""
    seen = {
        part: [what for what, where in undisturbed.boundaries if where.startswith(PARTS[part][0])]
        for part in PARTS
    }
    beside = {where for _, where in undisturbed.boundaries} - {
        w for _, w in undisturbed.boundaries if w.startswith(_all_places())
    }
    assert beside <= {
        "raw/outstanding:outstanding",
        "release/needs_build:needs_build",
    }  # these only read; they make the folder
    assert seen["taking"].count("insert") > 5 and "commit" in seen["taking"]
    assert seen["models"].count("commit") > 20
    assert "create" in seen["candidate"] and "commit" in seen["candidate"]
    # candidate and manifest renamed; the link made, and renamed; then the raw rows out of force forgotten
    assert seen["publishing"] == [
        "mkdir",  # the warehouse is asked what its models were made from
        "checkpoint",
        "chmod",
        "unlink",
        "replace",
        "replace",
        "symlink",
        "replace",
        "mkdir",
        "commit",
    ]
    assert seen["report"].count("replace") >= 3


def comes_to_the_state_of_the_undisturbed_run(undisturbed: Undisturbed, registry: Path) -> bool:
    """Whether a run, once it has taken what is outstanding, stands where the undisturbed run stood. From
    there on both do the same, so the end need not be seen again.
    """
    assert undisturbed.runs.run(registry, is_for_taking=True)["status"] == 0
    return state(registry) == undisturbed.taken


def _all_places() -> tuple[str, ...]:
    return tuple(place for places, _ in PARTS.values() for place in places)


@pytest.mark.parametrize("part", PARTS)
def test_a_run_killed_at_a_boundary_ends_where_an_undisturbed_run_does_once_it_is_run_again(
    undisturbed: Undisturbed, tmp_path: Path, part: str
) -> None:
    old, new = undisturbed.releases
    seen = []
    numbers = chosen(undisturbed.boundaries, part)
    assert numbers
    for number in numbers:
        registry, place = tmp_path / str(number), (number, undisturbed.boundaries[number])
        reached = _kill(undisturbed.runs, undisturbed.beginnings, registry, number)
        assert reached == undisturbed.boundaries[number], place
        seen.append(reader_sees_a_whole_release(registry))
        is_seen_to_the_end = part != "taking" or number == numbers[-1]
        if not is_seen_to_the_end and comes_to_the_state_of_the_undisturbed_run(undisturbed, registry):
            shutil.rmtree(registry)
            continue
        assert undisturbed.runs.run(registry)["status"] == 0, place
        assert reader_sees_a_whole_release(registry) == new, place
        assert release_digest(registry) == undisturbed.content, place
        assert marts_digest(registry) == undisturbed.marts, place
        assert (registry / "reports" / "current" / "report.html").is_file(), place
        assert [p.name for p in (registry / "release").glob(".*.part")] == [], place
        shutil.rmtree(registry)
    before_the_link_is_swapped = [number <= _swap(undisturbed.boundaries) for number in numbers]
    assert seen == [old if is_before else new for is_before in before_the_link_is_swapped]


def test_a_release_that_is_published_once_more_is_whole_at_every_moment(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Equal content has one name, and somebody may be reading the file of that name."""
    _, begun = undisturbed.beginnings["publishing"]
    once = tmp_path / "once"
    shutil.copytree(begun, once, symlinks=True)
    assert undisturbed.runs.run(once, begins="publishing")["status"] == 0
    shutil.copytree(begun / "release" / ".candidate", once / "release" / ".candidate", dirs_exist_ok=True)
    again = tmp_path / "again"
    shutil.copytree(once, again, symlinks=True)
    boundaries = undisturbed.runs.run(again, begins="publishing")["boundaries"]
    tried = [n for n, (_, where) in enumerate(boundaries) if where.startswith("release/publication")]
    assert len(tried) > 5 and current(again) == current(once)
    for number in tried:
        registry = tmp_path / str(number)
        shutil.copytree(once, registry, symlinks=True)
        assert undisturbed.runs.run(registry, number, begins="publishing")["status"] == -signal.SIGKILL
        assert reader_sees_a_whole_release(registry) == current(once), boundaries[number]


def _kill(runs: Runs, beginnings: dict[str, tuple[int, Path]], registry: Path, number: int) -> list[str]:
    """Kill a run of a registry before this boundary, and leave the registry at ``registry``; returns the
    boundary that it came to. The run takes up the last stage that begins before.
    """
    stage, (begins, folder) = [(s, b) for s, b in beginnings.items() if b[0] <= number][-1]
    shutil.copytree(folder, registry, symlinks=True)
    killed = runs.run(registry, die_at=number - begins, begins=stage)
    assert killed["status"] == -signal.SIGKILL, number
    return killed["boundaries"][-1]


def _swap(boundaries: list[list[str]]) -> int:
    """The boundary at which the link of the current release is renamed: the one after it was made."""
    return next(n for n in chosen(boundaries, "publishing") if boundaries[n][0] == "symlink") + 1


def kill_when_it_says(registry: Registry, mark: str) -> str:
    """Run the command in a process of its own and kill it (SIGKILL) right after the line that holds
    ``mark``.
    """
    process = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "python"),
            "-m",
            "orchestration.command.cli",
            "run",
            "--registry",
            str(registry.folder),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    told = ""
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        if mark in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, told
    return told


def test_a_run_killed_again_and_again_ends_where_an_undisturbed_run_does(
    shipped_run: Registry, tmp_path: Path
) -> None:
    """The command itself, with Dagster and its second process, killed at three lines that it says."""
    registry = shipped(tmp_path / "registry")
    shutil.copytree(shipped_run.folder / ".keys", registry.folder / ".keys")
    for mark in MARKS:
        kill_when_it_says(registry, mark)
        assert not (registry.releases / "current.duckdb").exists(), mark
    point_at(opened(registry.folder))
    outcome = flow.run_all(registry)
    assert outcome.refusals == ()
    assert warehouse_digest(registry, CONTENT) == warehouse_digest(shipped_run, CONTENT)
    assert release_digest(registry.folder) == release_digest(shipped_run.folder)
