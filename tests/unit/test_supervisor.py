"""The supervisor keeps services alive, passes signals on, and ends within five seconds."""

from __future__ import annotations

import configparser
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.command.cli import app
from orchestration.running.supervisor import Plan, Service, holder, next_pause

STUBBORN = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; print('up', flush=True); time.sleep(60)"


@pytest.mark.parametrize(
    ("pause", "lived", "has_asked", "then"),
    [
        (0, 5, False, 1),
        (1, 5, False, 2),
        (2, 5, False, 4),
        (60, 5, False, 60),
        (60, 61, False, 1),
        (8, 5, True, 0),
    ],
)
def test_pauses_grow_until_a_service_lives_long(
    pause: float, lived: float, has_asked: bool, then: float
) -> None:
    assert next_pause(pause, lived, has_asked) == then


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    begun = []

    def started(code: str, before: str = "") -> subprocess.Popen[str]:
        plan = Plan(
            str(tmp_path / "lock"), str(tmp_path / "runs"), [Service("service", [sys.executable, "-c", code])]
        )
        argv = [sys.executable, "-m", "orchestration.running.supervisor", plan.as_json()]
        process = subprocess.Popen(
            ["sh", "-c", f'{before} exec "$@"', "sh", *argv],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(process)
        return process

    yield started
    for process in begun:
        process.kill()
        process.communicate()


def lines_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """What it says, as far as the line with a word."""
    assert process.stdout is not None
    found = []
    for line in process.stdout:
        found.append(line)
        if word in line:
            return found
    raise AssertionError(found)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_even_a_stubborn_service_and_says_so_in_the_exit_code(
    start: Callable[..., subprocess.Popen[str]], number: signal.Signals, code: int
) -> None:
    process = start(STUBBORN, before="trap '' INT;")  # as a script's `&` leaves it
    lines_until(process, "up")
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == code
    assert time.monotonic() - began < 5


def test_nohup_keeps_it_up_when_its_terminal_goes(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("import time; print('up', flush=True); time.sleep(60)", before="trap '' HUP;")
    lines_until(process, "up")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143


def test_a_service_that_dies_is_started_again_and_ends_with_a_killed_supervisor(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    process = start("import os, time; print('pid', os.getpid(), flush=True); time.sleep(60)")
    first = int(lines_until(process, "pid ")[-1].split()[1])
    os.kill(first, signal.SIGKILL)
    said = lines_until(process, "pid ")
    assert any("service was ended by signal 9" in line and "next start in 1 s" in line for line in said)
    second = int(said[-1].split()[1])
    assert second != first
    process.kill()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{second}").exists() and Path(f"/proc/{second}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_service_that_ends_in_good_order_asks_to_be_started_at_once(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    process = start("import time; time.sleep(0.2)")
    began = time.monotonic()
    for _ in range(2):
        lines_until(process, "asked to be started again")
    assert time.monotonic() - began < 3


def test_a_second_supervisor_of_the_same_registry_names_the_first(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = start(STUBBORN)
    lines_until(first, "up")
    assert holder(tmp_path / "lock") == first.pid
    second = start(STUBBORN)
    assert f"process {first.pid} runs this registry already" in lines_until(second, "already")[-1]
    assert second.wait(10) == 2


def test_the_units_of_the_documentation_start_commands_that_exist_and_take_their_exit_codes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "unattended.md").read_text()
    units = re.findall(r"^```ini\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(units) == 2
    for unit in units:
        parsed = configparser.ConfigParser(interpolation=None)
        parsed.optionxform = str  # type: ignore[assignment,method-assign]
        parsed.read_string(unit)
        service = parsed["Service"]
        command = service["ExecStart"].split()[1:]
        found = CliRunner().invoke(app, [command[0], "--help"])
        assert found.exit_code == 0
        assert all(option in found.output for option in command if option.startswith("--"))
        assert (service["SuccessExitStatus"], service["Restart"]) == ("143", "always")
        assert int(service["TimeoutStopSec"]) > 5
