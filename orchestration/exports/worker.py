"""The process that reads files from outside: it waits, and forks a child with limits for each file.

Belongs here: starting it, the limits, and turning a child's end into a result or a fault. A workbook can lay
out 17 thousand million cells from two, and a damaged statistics file can crash a C library: here that ends a
child, not us. Forking spares each file the start of an interpreter. Both processes end with ours, however
ours ends. Does not belong here: what is done inside (``inside.py``).

    python -m orchestration.exports.worker N PARENT   is asked over the socket that is its file descriptor N
"""

from __future__ import annotations

import atexit
import errno
import gc
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

from orchestration.files import is_of_the_disk
from orchestration.processes import die_with

from .errors import ExportFault
from .limits import GIB, WORKER_FILE_BYTES, WORKER_MEMORY_BYTES, seconds_to_read

FAULT_KEYS = ("rule", "file", "sheet", "row", "column")
SAID_WITHOUT_MEMORY = (b"MemoryError", b"memory allocation", b"OutOfMemoryException", b"bad_alloc")
STATUS = struct.Struct("!i")


def in_worker(job: str, **arguments: Any) -> Any:
    """The result of ``job`` (``module:function`` of this package) in a process with limits, or the fault that
    it found. The limit of time grows with the file at ``path``.

    Raises ``OSError`` if our disk, and not the file, kept the job from its end.
    """
    seconds = seconds_to_read(os.stat(arguments["path"]).st_size)
    with (
        tempfile.TemporaryFile() as task,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
    ):
        task.write(json.dumps({"job": job, "seconds": seconds, "arguments": arguments}).encode())
        task.seek(0)
        code = _waiting.ask(task, answer, errors)
        for file in (answer, errors):
            file.seek(0)
        if code != 0:
            raise _ended(code, errors.read(), seconds)
        found = json.load(answer)
    if "disk" in found:
        raise OSError(errno.ENOSPC, found["disk"])
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
            # A file ends the child alone. A waiting process that is gone was ended from outside: once more.
            for _ in range(2):
                if (code := self._ask(files)) is not None:
                    return code
                for file, is_theirs in zip(files, (False, True, True), strict=True):
                    file.seek(0)
                    if is_theirs:
                        file.truncate()
            return -signal.SIGKILL

    def _ask(self, files: tuple[IO[bytes], ...]) -> int | None:
        """None if the waiting process ended before it answered."""
        if self.process is None or self.process.poll() is not None:
            self.start()
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
        self.end()
        return None

    def start(self) -> None:
        self.end()
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "orchestration.exports.worker",
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
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


def start_early() -> None:
    """Start the waiting process, which takes half a second to import what it needs, before it is asked."""
    with _waiting.lock:
        if _waiting.process is None:
            _waiting.start()


def _environment() -> dict[str, str]:
    """Where our modules are, and nothing else, so that no key or password of ours is near a hostile file."""
    return {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


def _fault(found: dict[str, Any]) -> ExportFault:
    return ExportFault(**{**found, "others": [_fault(other) for other in found["others"]]})


def _fault_json(fault: ExportFault) -> dict[str, Any]:
    found = {**{key: getattr(fault, key) for key in FAULT_KEYS}, **fault.marked}
    return {**found, "others": [_fault_json(other) for other in fault.others]}


def _ended(code: int, stderr: bytes, seconds: int) -> ExportFault:
    if code in (-signal.SIGXCPU, -signal.SIGALRM, -signal.SIGKILL):
        return _too_much(f"{seconds} s of processor time")
    if code == -signal.SIGABRT or any(word in stderr for word in SAID_WITHOUT_MEMORY):
        return _too_much(f"{WORKER_MEMORY_BYTES // GIB} GiB of memory")
    if os.strerror(errno.EFBIG).encode() in stderr:
        return _too_much(f"{WORKER_FILE_BYTES // GIB} GiB of disk")
    where = stderr.decode("utf-8", "replace").strip().rpartition("\n")[2].partition(":")[0][:80]  # no values
    return ExportFault(
        "unreadable_file",
        found=f"a file that its reader cannot parse ({where or f'signal {-code}'})",
        expected="a complete file",
        remedy="It is damaged; ask for it again, or for CSV.",
    )


def _too_much(limit: str) -> ExportFault:
    return ExportFault(
        "too_large_to_read",
        found=f"a file that takes more than {limit} to read",
        expected="a table that can be read within this limit",
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
        waiting = os.getpid()
        child = os.fork()
        if child == 0:
            die_with(waiting)
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
        resource.setrlimit(resource.RLIMIT_FSIZE, (WORKER_FILE_BYTES, WORKER_FILE_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with open(task, encoding="utf-8") as file:
            asked = json.load(file)
        resource.setrlimit(resource.RLIMIT_CPU, (asked["seconds"], asked["seconds"] + 5))
        signal.alarm(2 * asked["seconds"])
        try:
            found = {"result": _run(asked["job"], asked["arguments"])}
        except ExportFault as fault:
            found = {"fault": _fault_json(fault)}
        except Exception as error:
            if not is_of_the_disk(error):
                raise
            found = {"disk": str(error)}
        with open(answer, "w", encoding="utf-8") as file:
            json.dump(found, file)
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(1)


def main() -> None:
    die_with(int(sys.argv[2]))
    import python_calamine  # noqa: F401  what most tasks need, and children then have

    from . import delimited, inside, own_database  # noqa: F401

    gc.freeze()  # a child that collects garbage would copy every page of what is imported
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _serve(asked)


if __name__ == "__main__":
    main()
