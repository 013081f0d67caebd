"""The attacks on the pages of `myositis ui`: each is sent to a real process, byte by byte, and is refused.

Belongs here: what is sent, and whether it was refused. Does not belong here: the rules (`pages/door.py`), a
browser (`tests/browser/`). Nothing but sockets is used, because a client library mends what is sent.
"""

from __future__ import annotations

import json
import os
import random
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestration.pages.listed import PAGES
from orchestration.pages.options import Options
from orchestration.pages.shell import static_version
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from tests.attack.figures import Figures
from tests.unit.test_loading import make_registry

ROOT = Path(__file__).parents[2]
REFUSED = (400, 401, 403, 404, 405, 413, 415, 421, 431)
START_SECONDS = 60
CONNECTIONS = 1_000
SECRET = "the content of a file that no page shows"
DELETE = "mutation { deletePipelineRun(runId: %s) { __typename } }"


@dataclass(frozen=True)
class Server:
    """Pages that are up, and a run in Dagster's store that every attack tries to delete."""

    registry: Registry
    port: int
    token: str
    victim: str
    process: subprocess.Popen[bytes]

    @property
    def own(self) -> dict[str, str]:
        """What a browser of this session sends."""
        return {
            "Host": f"127.0.0.1:{self.port}",
            "Cookie": f"myositis_{self.port}={self.token}",
            "Origin": f"http://127.0.0.1:{self.port}",
            "Content-Type": "application/json",
        }


@dataclass(frozen=True)
class Try:
    """One attack: what is sent, and the attack's name."""

    name: str
    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: str = ""


@dataclass(frozen=True)
class Answer:
    status: int | None  # None: the connection was closed without a word
    headers: dict[str, str]
    body: str


def ask(port: int, attack: Try, seconds: float = 20) -> Answer:
    lines = [f"{attack.method} {attack.path} HTTP/1.1", *(f"{n}: {v}" for n, v in attack.headers)]
    if attack.body:
        lines.append(f"Content-Length: {len(attack.body.encode())}")
    if not any(name.lower() == "connection" for name, _ in attack.headers):
        lines.append("Connection: close")
    sent = ("\r\n".join(lines) + "\r\n\r\n" + attack.body).encode("latin-1", "replace")
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    """The answer up to the end of the connection; of a WebSocket that was accepted, its head."""
    raw = b""
    with suppress(ConnectionResetError, TimeoutError):
        while piece := connection.recv(65_536):
            raw += piece
            if raw.startswith(b"HTTP/1.1 101") and b"\r\n\r\n" in raw:
                break
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/"):
        return Answer(None, {}, "")
    headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines)}
    return Answer(int(first.split()[1]), headers, body.decode("utf-8", "replace"))


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """The pages of a small registry with a report, files beside it that must not be shown, and a run."""
    import dagster as dg

    registry = make_registry(folder)
    point_at(registry)
    current = folder / "reports" / "r1"
    (current / "tables").mkdir(parents=True)
    (current / "replay").mkdir()
    (current / "report.html").write_text("<!DOCTYPE html><title>A report</title><style>p{color:red}</style>")
    (current / "tables" / "table_i.csv").write_text("Group,n\n")
    for hidden in (
        folder / "secret.txt",
        current / "replay" / "patients.csv",
        current / "tables" / ".hidden",
    ):
        hidden.write_text(SECRET)
    (current / "tables" / "link.csv").symlink_to(folder / "secret.txt")
    (folder / "reports" / "current").symlink_to("r1")
    with dg.DagsterInstance.get() as instance:
        victim = instance.add_run(dg.DagsterRun(job_name="build", run_id=_uuid(1))).run_id
    port, token = free_port(), secrets.token_urlsafe(32)
    (registry.dagster_home / "ui.token").write_text(token)
    workspace = registry.dagster_home / "workspace.yaml"
    workspace.write_text('load_from: [{grpc_server: {socket: "/nonexistent/s", location_name: none}}]')
    options = Options("127.0.0.1", port, str(registry.dagster_home / "ui.token"), str(workspace))
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.pages.server", options.as_json()],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "server.log").open("wb"),
        env=os.environ,
    )
    try:
        _wait_until_up(process, port, folder / "server.log")
        yield Server(registry, port, token, victim, process)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _static() -> str:
    return f"/static/{static_version()}"


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the pages did not come up: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def graphql(server: Server, query: str, **changed: str | None) -> Try:
    """A POST as Dagster's UI sends it, with some headers replaced (None: left out)."""
    headers = {**server.own, **{name.replace("_", "-"): value for name, value in changed.items()}}
    kept = [(name, value) for name, value in headers.items() if value is not None]
    return Try("", "POST", "/dagster/graphql", kept, json.dumps({"query": query}))


def page(server: Server, path: str = "/", **changed: str | None) -> Try:
    headers = {k: v for k, v in server.own.items() if k in ("Host", "Cookie")}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}  # type: ignore[misc]
    return Try("", "GET", path, [(name, value) for name, value in headers.items() if value is not None])


def socket_try(server: Server, path: str = "/dagster/graphql", **changed: str | None) -> Try:
    """The first bytes of a WebSocket."""
    upgrade = {"Origin": server.own["Origin"], "Connection": "Upgrade", "Upgrade": "websocket"}
    opened = page(server, path, **{**upgrade, **changed})
    own = [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]
    return replace(opened, headers=[*opened.headers, *own, ("Sec-WebSocket-Protocol", "graphql-ws")])


def tries(server: Server, rng: random.Random) -> Iterator[Try]:
    """Every kind of attack once, with details drawn from ``rng``."""
    port, delete = server.port, DELETE % json.dumps(server.victim)
    mine = f"127.0.0.1:{port}"
    elsewhere = rng.choice(
        ["evil.example", f"evil.example:{port}", f"{mine}.evil.example", f"127.0.0.1:{port + 1}"]
    )
    foreign = rng.choice(
        ["null", f"http://{elsewhere}", f"https://{mine}", f"http://{mine}@evil.example", ""]
    )
    by_get = f"/dagster/graphql?query={delete.replace(' ', '%20')}"
    yield replace(graphql(server, delete, Origin=foreign), name="a mutation from a page of another origin")
    yield replace(graphql(server, delete, Origin=None), name="a mutation that names no origin")
    yield replace(
        graphql(server, delete, Sec_Fetch_Site=rng.choice(["cross-site", "same-site"])),
        name="a mutation that the browser says another site asks for",
    )
    kind = rng.choice(
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/graphql"]
    )
    yield replace(graphql(server, delete, Content_Type=kind), name="a mutation as a form")
    yield replace(graphql(server, delete), name="a mutation in the address of a POST", path=by_get)
    yield replace(page(server, "/", Host=elsewhere), name="a page under a foreign name")
    yield replace(graphql(server, delete, Host=elsewhere), name="a mutation under a foreign name")
    yield replace(page(server, "/", Host=None), name="a page under no name")
    twice = page(server)
    yield replace(twice, name="a page under two names", headers=[*twice.headers, ("Host", elsewhere)])
    wild = rng.choice(["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
    yield replace(page(server, by_get), name="a mutation by GET")
    yield replace(
        page(server, by_get, Origin=foreign), name="a mutation by GET from a page of another origin"
    )
    yield replace(page(server, by_get), name="a mutation by another method", method=wild)
    written = rng.choice(["/dagster/%67raphql", "/dagster/graphql/", "/dagster/./graphql/"])
    yield replace(page(server, f"{written.replace('/./', '/')}?query={delete.replace(' ', '%20')}"),
                  name="a mutation by GET, the address written otherwise")  # fmt: skip
    yield replace(
        graphql(server, delete), name="a report on an asset", path="/dagster/report_asset_materialization/raw"
    )
    override = rng.choice(["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
    yield replace(page(server, by_get, **{override: "POST"}), name="a method override")
    yield replace(graphql(server, "{version}", **{override: "DELETE"}), name="a method override of a POST")
    yield replace(socket_try(server, Cookie=None), name="a WebSocket without the token")
    yield replace(socket_try(server, Origin=foreign), name="a WebSocket from a page of another origin")
    yield replace(socket_try(server, Host=elsewhere), name="a WebSocket under a foreign name")
    yield replace(socket_try(server, "/"), name="a WebSocket elsewhere")
    frame = rng.choice(["iframe", "frame", "object", "embed"])
    yield replace(
        page(server, rng.choice(["/", "/report/", "/dagster/runs"]), Sec_Fetch_Dest=frame), name="a frame"
    )
    for name, cookie in _cookies(server, rng).items():
        yield replace(page(server, rng.choice(["/", "/report/", "/dagster/"]), Cookie=cookie), name=name)
        yield replace(graphql(server, delete, Cookie=cookie), name=f"a mutation with {name}")
    yield replace(
        page(server, "/", Cookie=None, Referer=f"http://{mine}/?token={server.token}"),
        name="the token in Referer",
    )
    yield replace(page(server, f"/?token={server.token}x", Cookie=None), name="a wrong token in the address")
    yield replace(
        page(server, f"/?token={server.token}", Cookie=None, Host=elsewhere),
        name="the token under a foreign name",
    )
    yield replace(graphql(server, delete, Cookie=None), name="the token in the address of a POST",
                  path=f"/dagster/graphql?token={server.token}")  # fmt: skip
    for way in rng.sample(_ways_out(server.registry.folder), 6):
        yield replace(page(server, f"/report/{way}"), name="a way out of the report")
    ours = rng.choice(PAGES).listed.address
    for name, cookie in _cookies(server, rng).items():
        yield replace(page(server, ours, Cookie=cookie), name=f"a page of the list with {name}")
    yield replace(page(server, ours, Sec_Fetch_Dest=frame), name="a frame of a page of the list")
    yield replace(graphql(server, "{version}"), name="a POST to a page of the list", path=ours)
    way = rng.choice(_ways_out(server.registry.folder))
    yield replace(page(server, f"{ours}?release={way}"), name="a way out as a release")
    yield replace(
        page(server, f"{_static()}/{rng.choice(_ways_out(ROOT))}"), name="a way out of the static files"
    )
    yield replace(page(server, f"{_static()}/../shell.py"), name="a module beside the static files")
    headers = [*page(server).headers, ("X-Long", "x" * rng.choice([70_000, 1_000_000]))]
    yield replace(page(server), name="a huge header", headers=headers)
    many = [*page(server).headers, *((f"X-{i}", "y" * 100) for i in range(1_000))]
    yield replace(page(server), name="a thousand headers", headers=many)
    yield replace(page(server, "/" + "a" * 100_000), name="a huge address")
    said = rng.choice(
        ["X-Forwarded-User", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto"]
    )
    yield replace(
        page(server, "/", Cookie=None, **{said: "admin"}), name="a user whom no proxy of ours names"
    )
    yield replace(
        page(server, "/", **{said: mine}), name="a header of a proxy that registry.yml does not name"
    )


def _cookies(server: Server, rng: random.Random) -> dict[str, str | None]:
    name, token = f"myositis_{server.port}", server.token
    at = rng.randrange(len(token))
    wrong = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    return {
        "no token": None,
        "an empty token": f"{name}=",
        "half a token": f"{name}={token[: len(token) // 2]}",
        "a token with one letter changed": f"{name}={wrong}",
        "the token of another name": f"myositis_{server.port + 1}={token}",
        "a token with more behind it": f"{name}={token}{token}",
    }


def _ways_out(folder: Path) -> list[str]:
    return [
        "../../secret.txt",
        "..%2f..%2fsecret.txt",
        "%2e%2e/%2e%2e/secret.txt",
        "tables/../../../secret.txt",
        "tables/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "..\\..\\secret.txt",
        "%252e%252e/%252e%252e/secret.txt",
        f"/{folder}/secret.txt",
        f"%2f{folder}/secret.txt",
        "secret.txt%00.html",
        "..%00/..%00/secret.txt",
        "tables/link.csv",
        "tables/.hidden",
        "replay/patients.csv",
        "../../.dagster/ui.token",
        "../../registry.yml",
        "tables",
    ]


def refused(server: Server, attack: Try) -> str | None:
    """What is wrong with the answer to an attack; None if it was refused."""
    answer = ask(server.port, attack)
    if answer.status is not None and answer.status not in REFUSED:
        return f"{attack.name}: {attack.method} {attack.path[:80]} was answered with {answer.status}"
    if SECRET in answer.body or server.token in answer.body or "set-cookie" in answer.headers:
        return f"{attack.name}: {attack.method} {attack.path[:80]} told a secret"
    return None


def run_exists(server: Server) -> bool:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        return instance.get_run_by_id(server.victim) is not None


def crowd(server: Server, size: int) -> tuple[int, float, list[str]]:
    """Connections that say nothing, say half, or ask without the token, all at once.

    Returns how many asked and were refused, the seconds in which the owner's page came, and what was wrong.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * CONNECTIONS), hard))
    wrong: list[str] = []
    with ExitStack() as stack:
        opened = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 20)) for _ in range(size)
        ]
        host = f"Host: 127.0.0.1:{server.port}\r\n"
        for number, connection in enumerate(opened):
            if number % 3:
                end = "\r\n" if number % 3 == 1 else "X-More: "
                connection.sendall(f"GET / HTTP/1.1\r\nConnection: close\r\n{host}{end}".encode())
        started = time.monotonic()
        if ask(server.port, page(server)).status != 200:
            wrong.append("the owner's page did not come while others asked")
        seconds = time.monotonic() - started
        answers = [read_answer(connection).status for connection in opened[1::3]]
    others = sorted({str(status) for status in answers if status != 401})
    if others:
        wrong.append(
            f"of {len(answers)} that asked without the token some were answered with {', '.join(others)}"
        )
    return answers.count(401), seconds, wrong


def without_an_attack(server: Server) -> list[str]:
    """What a browser of the session asks and must be given: else everything would count as refused."""
    expected: list[tuple[Try, int]] = [
        (page(server), 200),
        (page(server, f"{_static()}/pages.css"), 200),
        (page(server, "/data"), 200),
        (page(server, "/report/"), 200),
        (page(server, "/report/tables/table_i.csv"), 200),
        (page(server, "/dagster/runs"), 200),
        (page(server, "/dagster/favicon.png"), 200),
        (page(server, f"/?token={server.token}", Cookie=None), 303),
        (graphql(server, "{version}"), 200),
        (socket_try(server), 101),
    ]
    return [
        f"{attack.method} {attack.path[:40]} of the session was answered with {found}, not with {status}"
        for attack, status in expected
        if (found := ask(server.port, attack).status) != status
    ]


def headers_of_pages(server: Server) -> list[str]:
    """Pages that could be framed, kept, guessed at, or that could run what they do not carry."""
    wrong = []
    ours = tuple(one.listed.address for one in PAGES)
    for path in ("/", *ours, "/report/", "/dagster/runs", "/report/nothing", "/dagster/favicon.png"):
        found: dict[str, Any] = ask(server.port, page(server, path)).headers
        policy = found.get("content-security-policy", "")
        sound = (
            "frame-ancestors 'none'" in policy
            and "default-src 'none'" in policy
            and "http:" not in policy
            and found.get("x-frame-options") == "DENY"
            and found.get("x-content-type-options") == "nosniff"
            and found.get("referrer-policy") == "same-origin"
            and found.get("cache-control") == "no-store"
        )
        if not sound:
            wrong.append(f"{path}: its headers allow too much")
    return wrong


def attack(seed: int, rounds: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "registry") as server:
        broken = [*without_an_attack(server), *headers_of_pages(server)]
        sent, kinds = 0, set()
        for number in range(rounds):
            for one in tries(server, random.Random(f"{seed}/{number}")):
                sent, kinds = sent + 1, kinds | {one.name}
                if told := refused(server, one):
                    broken.append(f"seed {seed}, round {number}: {told}")
        asked, seconds, wrong = crowd(server, CONNECTIONS)
        broken += [*wrong, *without_an_attack(server)]
        if not run_exists(server):
            broken.append("a mutation of an attack deleted a run")
        numbers = {
            "attacks sent": sent,
            "kinds of attack": len(kinds),
            "attacks that were not refused": len(broken),
            "connections at once": CONNECTIONS,
            "of them asked without the token, and were refused": asked,
            "seconds in which the owner's page came meanwhile": round(seconds, 2),
        }
    return Figures(numbers, tuple(broken))
