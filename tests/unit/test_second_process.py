"""The helper of a layer: plain calls in this process, or a second process, and what a call raises comes back
from either.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.command import ahead
from orchestration.raw.verdict import DeliveryRefused
from orchestration.running.helper import IN_THIS_PROCESS, Helper
from orchestration.running.second_process import SecondProcess, SecondProcessEnded, started

ROOT = Path(__file__).parents[2]


def refuse() -> None:
    raise DeliveryRefused("north", "2024", ["a reason"])


def divide(a: int, b: int) -> float:
    return a / b


def note(path: str) -> str:
    with open(path, "a") as file:
        file.write("done")
    return path


@pytest.fixture
def second() -> Iterator[SecondProcess]:
    with started() as helper:
        yield helper


def call(helper: Helper, function, *arguments):
    return helper.submit(function, *arguments).result()


def test_without_a_second_process_a_call_is_a_plain_call() -> None:
    assert call(IN_THIS_PROCESS, os.getpid) == os.getpid()
    with pytest.raises(ZeroDivisionError):
        call(IN_THIS_PROCESS, divide, 1, 0)


def test_calls_go_to_the_second_process_and_what_they_raise_is_raised_here(second: SecondProcess) -> None:
    there = call(second, os.getpid)
    assert there != os.getpid()
    assert call(second, divide, 1, 2) == 0.5
    with pytest.raises(ZeroDivisionError):
        call(second, divide, 1, 0)
    with pytest.raises(SecondProcessEnded, match="DeliveryRefused: north/2024 refused:\n  a reason"):
        call(second, refuse)
    assert call(second, os.getpid) == there
    with pytest.raises(SecondProcessEnded, match="ended before it was done"):
        call(second, os._exit, 1)


def test_two_second_processes_know_nothing_of_each_other(second: SecondProcess) -> None:
    with started() as other:
        assert len({os.getpid(), call(second, os.getpid), call(other, os.getpid)}) == 3
    assert call(second, divide, 1, 2) == 0.5


def test_calls_that_are_submitted_end_in_their_order_whatever_is_asked_first(second: SecondProcess) -> None:
    half, there = second.submit(divide, 1, 2), second.submit(os.getpid)
    failed, quarter = second.submit(divide, 1, 0), second.submit(divide, 1, 4)
    assert there.result() != os.getpid()
    assert (quarter.result(), half.result()) == (0.25, 0.5)
    with pytest.raises(ZeroDivisionError):
        failed.result()


def test_what_is_started_early_is_done_once_and_asked_for_later(
    second: SecondProcess, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    IN_THIS_PROCESS.start_early(note, str(done))
    assert not done.exists()
    second.start_early(note, str(done))
    assert call(second, divide, 1, 2) == 0.5
    assert done.read_text() == "done"
    assert call(second, note, str(done)) == str(done)
    assert done.read_text() == "done"
    assert call(second, note, str(done)) == str(done)
    assert done.read_text() == "donedone"


def test_what_was_started_early_and_failed_fails_where_it_is_asked_for(second: SecondProcess) -> None:
    second.start_early(divide, 1, 0)
    assert call(second, divide, 1, 2) == 0.5
    with pytest.raises(ZeroDivisionError):
        call(second, divide, 1, 0)


def test_while_it_waits_this_process_prepares_what_it_can() -> None:
    """What cannot be prepared is left to whoever needs it."""
    sys.modules.pop("wave", None)
    with started(meanwhile=["tests.unit.no_such_module", "wave"]) as helper:
        slow = helper.submit(time.sleep, 3)
        assert "wave" not in sys.modules
        slow.result()
        assert "wave" in sys.modules


def test_preparing_ends_with_the_answer() -> None:
    sys.modules.pop("wave", None)
    with started(meanwhile=["wave"]) as helper:
        quick = helper.submit(os.getpid)
        deadline = time.monotonic() + 30
        while not helper._calls.poll() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert quick.result() != os.getpid()
        assert "wave" not in sys.modules


@pytest.mark.parametrize("name", [*ahead.SECOND, *ahead.FIRST])
def test_what_is_prepared_exists(name: str) -> None:
    """A name that was left behind by a renamed module would only make a run slower, and nobody would know."""
    module, _, function = name.partition(":")
    assert not function or callable(getattr(importlib.import_module(module), function))
    assert importlib.util.find_spec(module) is not None


def test_only_the_command_knows_that_there_may_be_a_second_process() -> None:
    """The layers are handed a helper; none of them imports the process or the names that are prepared."""
    users = set()
    for path in (ROOT / "orchestration").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
                if names & {"orchestration.running.second_process", "orchestration.command.ahead"}:
                    users.add(path.relative_to(ROOT / "orchestration").parts[0])
    assert users == {"command"}


def test_no_module_of_running_rebinds_a_global() -> None:
    changed = {
        (path.name, node.names[0])
        for path in (ROOT / "orchestration" / "running").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Global)
    }
    assert changed == set()
