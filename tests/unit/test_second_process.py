"""The second process: calls go there while there is one, and what they raise comes back."""

from __future__ import annotations

import importlib.util
import os
import sys
import time

import pytest

from orchestration.raw.verdict import DeliveryRefused
from orchestration.running import second_process
from orchestration.running.second_process import SecondProcessEnded, begin, call


def refuse() -> None:
    raise DeliveryRefused("north", "2024", ["a reason"])


def divide(a: int, b: int) -> float:
    return a / b


def note(path: str) -> str:
    with open(path, "a") as file:
        file.write("done")
    return path


def test_without_a_second_process_a_call_is_a_plain_call() -> None:
    assert call(os.getpid) == os.getpid()


def test_calls_go_to_the_second_process_and_what_they_raise_is_raised_here() -> None:
    with second_process.started(ahead=()):
        there = call(os.getpid)
        assert there != os.getpid()
        assert call(divide, 1, 2) == 0.5
        with pytest.raises(ZeroDivisionError):
            call(divide, 1, 0)
        with pytest.raises(SecondProcessEnded, match="DeliveryRefused: north/2024 refused:\n  a reason"):
            call(refuse)
        assert call(os.getpid) == there
        with pytest.raises(SecondProcessEnded, match="ended before it was done"):
            call(os._exit, 1)
    assert call(os.getpid) == os.getpid()


def test_calls_that_are_begun_end_in_their_order_whatever_is_asked_first() -> None:
    with second_process.started(ahead=()):
        half, there, failed, quarter = begin(divide, 1, 2), begin(os.getpid), begin(divide, 1, 0), begin(divide, 1, 4)
        assert there() != os.getpid()
        assert (quarter(), half()) == (0.25, 0.5)
        with pytest.raises(ZeroDivisionError):
            failed()


def test_what_is_begun_early_is_done_once_and_asked_for_later(tmp_path) -> None:
    done = tmp_path / "done"
    second_process.begin_early(note, str(done))
    assert not done.exists()
    with second_process.started(ahead=()):
        second_process.begin_early(note, str(done))
        assert call(divide, 1, 2) == 0.5
        assert done.read_text() == "done"
        assert call(note, str(done)) == str(done)
        assert done.read_text() == "done"
        assert call(note, str(done)) == str(done)
        assert done.read_text() == "donedone"


def test_what_was_begun_early_and_failed_fails_where_it_is_asked_for() -> None:
    with second_process.started(ahead=()):
        second_process.begin_early(divide, 1, 0)
        assert call(divide, 1, 2) == 0.5
        with pytest.raises(ZeroDivisionError):
            call(divide, 1, 0)


def test_what_cannot_be_prepared_is_left_and_preparing_ends_with_the_answer() -> None:
    sys.modules.pop("wave", None)
    second_process.prepare_meanwhile(["wave"])
    assert "wave" not in sys.modules
    with second_process.started(ahead=()):
        slow = begin(time.sleep, 3)
        second_process.prepare_meanwhile(["tests.unit.no_such_module", "wave"])
        assert "wave" in sys.modules
        slow()
        quick = begin(os.getpid)
        deadline = time.monotonic() + 30
        while not second_process._calls.poll() and time.monotonic() < deadline:
            time.sleep(0.01)
        sys.modules.pop("wave")
        second_process.prepare_meanwhile(["wave"])
        assert "wave" not in sys.modules
        assert quick() != os.getpid()


@pytest.mark.parametrize("name", [*second_process.AHEAD, *second_process.BUILDING, *second_process.DRAWING])
def test_what_is_prepared_exists(name: str) -> None:
    """A name that was left behind by a renamed module would only make a run slower, and nobody would know."""
    module, _, function = name.partition(":")
    assert not function or callable(getattr(importlib.import_module(module), function))
    assert importlib.util.find_spec(module) is not None
