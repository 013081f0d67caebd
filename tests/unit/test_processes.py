"""A signal ends a process and all that it started, at once, with the exit code of the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration.processes import STOPPED, passing_folder

BEGIN = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path
from orchestration.processes import passing_folder, signals_held, stop_on_signals, unless_stopped
stop_on_signals()
"""
SAY_AND_SLEEP = "print('ready', flush=True)\ntime.sleep(30)\n"
A_LONG_CALL = """
import duckdb
print('ready', flush=True)
duckdb.sql("select count(*) from range(10_000_000_000) a, range(1_000) b").fetchall()
"""
A_HANDLER_THAT_ONLY_NOTES = """
seen = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: seen.append(1))
print('ready', flush=True)
while True:
    time.sleep(0.1)
"""
BUSY_THREADS_WITH_HELPERS = """
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: None)
helpers = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
def work():
    while True:
        sum(range(100))
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
print('ready', flush=True)
work()
"""
AN_IMPORT_THAT_SWALLOWS = """
def work():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    is_ready = False
    while True:
        try:
            is_ready = is_ready or print('ready', flush=True) or True
            time.sleep(0.1)
        except BaseException:
            pass
unless_stopped(work)
"""
AN_ERROR_THAT_FOLLOWS = """
def work():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print('ready', flush=True)
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        raise ImportError("half a module")
unless_stopped(work)
"""
CHILDREN = """
child = subprocess.Popen(["sh", "-c", "sleep 60 & echo $! && wait"], stdout=subprocess.PIPE, start_new_session=True)
print(child.pid, int(child.stdout.readline()), flush=True)
time.sleep(30)
"""


def started(script: str, *, ignores_interrupt: bool = False) -> tuple[subprocess.Popen[str], str]:
    """The process of a script, and the first line that it said."""
    argv = [sys.executable, "-c", BEGIN + script]
    if ignores_interrupt:  # as `&` in a script does
        argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str], number: int) -> tuple[int, str, float]:
    began = time.monotonic()
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    return process.returncode, told, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "script",
    [
        SAY_AND_SLEEP,
        A_LONG_CALL,
        A_HANDLER_THAT_ONLY_NOTES,
        BUSY_THREADS_WITH_HELPERS,
        AN_IMPORT_THAT_SWALLOWS,
        AN_ERROR_THAT_FOLLOWS,
    ],
)
def test_a_signal_ends_the_process_whatever_it_does(script: str, number: int) -> None:
    code, told, seconds = end(started(script)[0], number)
    assert (code, told) == (128 + number, f"{STOPPED}\n")
    assert seconds < 5


def test_ctrl_c_counts_although_the_shell_lets_it_be_ignored() -> None:
    assert end(started(SAY_AND_SLEEP, ignores_interrupt=True)[0], signal.SIGINT)[0] == 130


def test_what_the_process_started_ends_with_it_in_whatever_session() -> None:
    process, said = started(CHILDREN)
    assert end(process, signal.SIGTERM)[0] == 143
    deadline = time.monotonic() + 2
    while living := [pid for pid in said.split() if is_alive(int(pid))]:
        assert time.monotonic() < deadline, living
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_is_done_after_a_helper_was_killed(tmp_path: Path) -> None:
    """A parent that goes on would take the death of its helper for the fault of a file."""
    noted = tmp_path / "noted"
    script = f"""
child = subprocess.Popen(["sleep", "60"])
threading.Thread(target=lambda: print('ready', flush=True)).start()
signal.signal(signal.SIGTERM, lambda *_: None)
child.wait()
Path({str(noted)!r}).write_text('the helper died')
"""
    for _ in range(5):
        assert end(started(script)[0], signal.SIGTERM)[0] == 143
        assert not noted.exists()


def test_a_process_that_is_started_while_signals_are_held_gets_them_later() -> None:
    script = """
with signals_held():
    child = subprocess.Popen([sys.executable, "-c", "import signal, sys\\n"
        "blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])\\n"
        "sys.exit(signal.SIGINT not in blocked or signal.SIGTERM not in blocked)"])
print(child.wait(), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)
"""
    process, said = started(script)
    process.communicate(timeout=20)
    assert said == "0 False"


def test_a_passing_folder_goes_after_the_block_and_when_a_signal_comes(tmp_path: Path) -> None:
    with passing_folder("copy-", tmp_path) as folder:
        (folder / "rows").write_text("")
    assert os.listdir(tmp_path) == []
    script = f"""
with passing_folder("copy-", Path({str(tmp_path)!r})) as folder:
    (folder / "rows").write_text("")
    {SAY_AND_SLEEP.replace(chr(10), chr(10) + "    ")}
"""
    process, said = started(script)
    assert said == "ready" and len(os.listdir(tmp_path)) == 1
    assert end(process, signal.SIGINT)[0] == 130
    assert os.listdir(tmp_path) == []
