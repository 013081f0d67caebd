"""A process for formats whose parsers are not ours: one that waits, and forks a child with limits for each
file.

Belongs here: starting it, the limits, and turning a child's end into a result or a fault. A workbook can lay
out 17 thousand million cells from two, and a damaged statistics file can crash a C library: here that ends a
child, not us. Forking spares each file the start of an interpreter. Does not belong here: what is done inside
(``workbook.py``, ``statistics_file.py``).

    python -m orchestration.exports.worker N   is asked over the socket that is its file descriptor N
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from .errors import ExportFault
from .limits import GIB, WORKER_MEMORY_BYTES, WORKER_SECONDS

FAULT_KEYS = ("rule", "sheet", "row", "column")
STATUS = struct.Struct("!i")


def in_worker(job: str, **arguments: Any) -> Any:
    """The result of ``job`` (``module:function`` of this package) in a process with limits, or the fault that
    it found.
    """
    with (
        tempfile.TemporaryFile() as task,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
    ):
        task.write(json.dumps({"job": job, "arguments": arguments}).encode())
        task.seek(0)
        code = _waiting.ask(task, answer, errors)
        for file in (answer, errors):
            file.seek(0)
        if code != 0:
            raise _ended(code, errors.read())
        found = json.load(answer)
    if "fault" in found:
        raise _fault(found["fault"])
    return found["result"]


class _Waiting:
    """The waiting process. It is started at the first task, started again if it is gone, and ends
    with ours.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.socket: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, *files: IO[bytes]) -> int:
        """Let a child read its task from the first file and write its answer and stderr to the others;
        returns the child's exit code.
        """
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self._start()
            assert self.socket is not None  # it lives as long as the process
            try:
                socket.send_fds(self.socket, [b"."], [file.fileno() for file in files])
                status = self.socket.recv(STATUS.size, socket.MSG_WAITALL)
            except OSError:
                status = b""
            except BaseException:  # Ctrl-C: else the next file would get its late answer
                self.end()
                raise
            if len(status) == STATUS.size:
                return STATUS.unpack(status)[0]
            return self.end() or -signal.SIGKILL

    def _start(self) -> None:
        self.end()
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "orchestration.exports.worker", str(theirs.fileno())],
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is ours to handle; and a child can be ended with it
            )

    def end(self) -> int:
        """The exit code of what is ended, or has ended by itself; 0 when nothing was started."""
        if self.socket is None or self.process is None:
            return 0
        self.socket.close()
        self.socket = None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


_waiting = _Waiting()
atexit.register(_waiting.end)


def _environment() -> dict[str, str]:
    """Where our modules are, and nothing else, so that no key or password of ours is near a hostile file."""
    return {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


def _fault(found: dict[str, Any]) -> ExportFault:
    return ExportFault(**{**found, "others": [_fault(other) for other in found["others"]]})


def _fault_json(fault: ExportFault) -> dict[str, Any]:
    found = {**{key: getattr(fault, key) for key in FAULT_KEYS}, **fault.marked}
    return {**found, "others": [_fault_json(other) for other in fault.others]}


def _ended(code: int, stderr: bytes) -> ExportFault:
    if code in (-signal.SIGXCPU, -signal.SIGALRM, -signal.SIGKILL):
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
    module, _, function = job.partition(":")
    return getattr(import_module(f".{module}", __package__), function)(**arguments)


def _serve(asked: socket.socket) -> None:
    """Fork a child for each task, one after the other, until no more tasks come."""
    while True:
        word, files, *_ = socket.recv_fds(asked, 1, 3)
        if not word:
            return
        child = os.fork()
        if child == 0:
            asked.close()
            _be_child(*files)
        for file in files:
            os.close(file)
        asked.sendall(STATUS.pack(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


def _be_child(task: int, answer: int, errors: int) -> None:
    """Never returns."""
    try:
        os.dup2(errors, 1)  # what a parser prints must not get into the answer
        os.dup2(errors, 2)
        resource.setrlimit(resource.RLIMIT_AS, (WORKER_MEMORY_BYTES, WORKER_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (WORKER_SECONDS, WORKER_SECONDS + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(2 * WORKER_SECONDS)
        with open(task, encoding="utf-8") as file:
            asked = json.load(file)
        try:
            found = {"result": _run(asked["job"], asked["arguments"])}
        except ExportFault as fault:
            found = {"fault": _fault_json(fault)}
        with open(answer, "w", encoding="utf-8") as file:
            json.dump(found, file)
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(1)


def main() -> None:
    import python_calamine  # noqa: F401  what most tasks need, and children then have

    from . import workbook  # noqa: F401

    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _serve(asked)


if __name__ == "__main__":
    main()
