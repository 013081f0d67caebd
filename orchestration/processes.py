"""How processes end: with the one that started them, and at once when a signal asks for it.

Does not belong here: what a process does; the services of `myositis daemon` (`running/supervisor.py`).
"""

from __future__ import annotations

import atexit
import ctypes
import os
import select
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import starmap
from operator import call
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

T = TypeVar("T")
PR_SET_PDEATHSIG = 1  # prctl(2)
STOPS = (signal.SIGINT, signal.SIGTERM)
STOPPED = "stopped; run the command again to go on from where it stopped"
SHOW_CURSOR = "\r\x1b[K\x1b[?25h"

_passing: set[Path] = set()  # folders to be removed when a signal ends this process
_told: list[socket.socket] = []  # where the numbers of signals arrive, and where the interpreter writes them
_stopped_by: list[int] = []


def die_with_parent() -> None:
    """`die_with`, for a process that was not told who started it."""
    die_with(None)


def die_with(parent: int | None) -> None:
    """Have the kernel kill this process when the thread that started it ends, however it ends.

    Linux only; elsewhere nothing happens. If ``parent`` is no longer the parent, it is gone already, and this
    process ends at once. (In a container the parent itself may be process 1.)
    """
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (AttributeError, OSError):
        return
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent if parent is not None else os.getppid() == 1:
        os._exit(1)


def stop_on_signals() -> None:
    """From now on SIGINT or SIGTERM ends this process and all that it started, at once: exit code 130 or 143.

    Nothing is unwound. Any step may be killed at any moment, and the next run goes on from there; but an
    import or a library that is interrupted half-way may go on in a state that nobody foresaw. Libraries
    replace handlers, too (Dagster only notes a signal while it starts a step), and a handler of Python waits
    until a long call into a library returns. So a thread of its own waits for signals, which come to it
    through a descriptor, whatever handler is set. The handlers are set whatever the process inherited: a
    shell that starts it with `&` in a script lets SIGINT be ignored.
    """
    if _told:
        return
    told, telling = socket.socketpair()
    telling.setblocking(False)
    signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    _told.extend((told, telling))
    threading.Thread(target=_wait_for_a_signal, daemon=True).start()
    atexit.register(_leave_off)  # the first that is registered runs last
    for number in STOPS:
        signal.signal(number, _stand_still)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def unless_stopped(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises. Once a signal has come, this never returns, because nothing that
    follows is to be shown.
    """
    try:
        return work()
    finally:
        _stand_still_if_stopped()


@contextmanager
def signals_held() -> Iterator[None]:
    """A process that is started in the block, or that this one becomes, gets no signal before it unblocks
    them. Signals to this process reach its other threads meanwhile.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_parent() -> None:
    """In a process that was started while `signals_held`: a signal to the group is the parent's to handle."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@contextmanager
def passing_folder(prefix: str, at: Path | None = None) -> Iterator[Path]:
    """A folder that is removed after the block, and also when a signal ends the process. Only a kill leaves
    it.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=at))
    _passing.add(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _passing.discard(folder)


def _stand_still(number: int, frame: FrameType | None) -> None:
    """The main thread does nothing more while the waiting thread ends the process."""
    while True:
        time.sleep(60)


def _stand_still_if_stopped() -> None:
    if _told and (_stopped_by or select.select([_told[0]], [], [], 0)[0]):
        _stand_still(0, None)


def _leave_off() -> None:
    """The waiting thread cannot work while the interpreter is taken down: from now on a signal just kills."""
    _stand_still_if_stopped()
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)


def _wait_for_a_signal() -> None:
    while True:
        seen = _told[0].recv(64, socket.MSG_PEEK)  # taken away only after it is noted: see above
        _stopped_by.extend(number for number in seen if number in STOPS)
        if _stopped_by:
            _stop(_stopped_by[0])
        _told[0].recv(len(seen))


def _stop(number: int) -> NoReturn:
    for folder in list(_passing):
        shutil.rmtree(folder, ignore_errors=True)
    _tell()
    # The other threads must not see their helpers die: a killed reader looks like a file that kills readers.
    # The interpreter changes threads between two bytecodes; there is none from the first kill to the exit.
    calls = iter(
        [*((os.kill, pid, signal.SIGKILL) for pid in descendants(os.getpid())), (os._exit, 128 + number)]
    )
    while True:
        with suppress(ProcessLookupError, PermissionError):  # that one has ended: go on with the next
            deque(starmap(call, calls), maxlen=0)


def _tell() -> None:
    """Say so without the buffers and locks of the other threads, unless nobody reads what is written."""
    with suppress(OSError, ValueError):
        is_terminal = os.isatty(2)
        if select.select([], [2], [], 0.5)[1]:
            os.write(2, f"{SHOW_CURSOR if is_terminal else ''}{STOPPED}\n".encode())


def descendants(ancestor: int) -> list[int]:
    """The processes that a process started, and those that they started (Linux)."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found, to_ask = [], [ancestor]
    while to_ask:
        mine = children.get(to_ask.pop(), [])
        found += mine
        to_ask += mine
    return found
