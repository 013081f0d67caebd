"""Debian's PostgreSQL for tests: a server of its own in a temporary folder, run by a user who is not root.

Belongs here: starting and ending it, and reading what is in it. Does not belong here: any expectation.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

BINARIES = Path("/usr/lib/postgresql")
OWNER, PASSWORD = "publisher", "a-password-that-is-never-shown"


@dataclass(frozen=True)
class Postgres:
    """A server: its folder of sockets, and its port on 127.0.0.1."""

    folder: Path
    port: int

    def address(self, database: str = "registry", user: str = OWNER) -> str:
        return f"postgresql://{user}@:{self.port}/{database}?host={self.folder}"

    def connect(self, database: str = "registry", user: str = "boss", **options: Any) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.folder), port=self.port, user=user, password=PASSWORD, dbname=database, **options
        )

    def ask(self, sql: str, database: str = "registry", user: str = "boss") -> list[tuple[Any, ...]]:
        with self.connect(database, user, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []


def binaries() -> Path:
    """The folder of the newest server that is installed; skips without one."""
    found = sorted(BINARIES.glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if not found:
        pytest.skip("no server in /usr/lib/postgresql: install Debian's package postgresql, as .ci/run does")
    return found[-1].parent


@contextmanager
def started() -> Iterator[Postgres]:
    """A server with TLS, a superuser (boss), a publisher who may make schemas and roles, and the database
    `registry`.
    """
    own = binaries()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # the path of a socket has at most 107 bytes
    who = _user(folder)
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    data = folder / "data"
    _do([own / "initdb", "-D", data, "-A", "scram-sha-256", "-U", "boss", f"--pwfile={password}", "-N",
         "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"], who)  # fmt: skip
    _do(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", data / "server.key", "-out", data / "server.crt"], who)  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["ssl=on", "fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1", f"port={port}",
               f"unix_socket_directories={folder}", "max_connections=60", "shared_buffers=32MB"]  # fmt: skip
    settings = [part for option in options for part in ("-c", option)]
    server = Postgres(folder, port)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([own / "postgres", "-D", data, *settings], stderr=log, stdout=log, **who)
        try:
            _wait(server, process)
            server.ask(
                f"create role {OWNER} login createrole password '{PASSWORD}'; create role reader login password '{PASSWORD}'",
                "postgres",
            )
            server.ask(f"create database registry owner {OWNER}", "postgres")
            yield server
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(folder, ignore_errors=True)


def _user(folder: Path) -> dict[str, Any]:
    """Who runs it: this user, or one without rights if this is root, whom the server refuses."""
    if os.getuid():
        return {}
    user = next(entry for name in ("postgres", "nobody") for entry in pwd.getpwall() if entry.pw_name == name)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _do(command: list[str | Path], who: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **who)
    assert done.returncode == 0, done.stderr


def _wait(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            server.connect("postgres").close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None and time.monotonic() < until, "the server did not come up"
            time.sleep(0.05)
