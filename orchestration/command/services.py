"""Which services `myositis daemon` and `myositis ui` keep alive, and what they say when they start.

Belongs here: the services' commands, the files by which they find each other. Does not belong here: keeping
them alive (`running/supervisor.py`), what they launch (`automation.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from orchestration.command import console
from orchestration.files import write_atomically
from orchestration.pages.options import Options
from orchestration.registry.folder import Registry
from orchestration.resources import be_supervised
from orchestration.running.supervisor import DAEMON_LOCK, MARKS, STOPS, CannotServe, Plan, Service, holder

DEFINITIONS = "orchestration.definitions"
SERVER = "orchestration.pages.server"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def daemon(registry: Registry) -> NoReturn:
    """Become the supervisor of the code server and of Dagster's daemon."""
    console.out.print(_told(registry), markup=False)
    _become(registry, [_code_server(registry), _dagster_daemon(registry)])


def ui(registry: Registry, host: str, port: int) -> NoReturn:
    """Become the supervisor of the pages; and of code server and daemon, unless a `myositis daemon` of this
    registry has them already.
    """
    _refuse_to_be_open(registry, host)
    _refuse_if_taken(host, port)
    token = secrets.token_urlsafe(32)
    kept = write_atomically(registry.dagster_home / f"ui_{port}.token", token)
    kept.chmod(0o600)
    address = f"{registry.file.name}: {_address(registry, host, port, token)}  (stop with Ctrl-C)"
    if process := holder(registry.dagster_home / DAEMON_LOCK):
        console.out.print(
            f"{address}\nprocess {process} looks after this registry already; the pages show what it does",
            markup=False,
        )
        _become(registry, [_webserver(registry, host, port, kept)], lock=f"ui_{port}.lock", ends_runs=False)
    console.out.print(f"{address}\n{_told(registry)}", markup=False)
    _become(
        registry,
        [_code_server(registry), _dagster_daemon(registry), _webserver(registry, host, port, kept)],
    )


def _address(registry: Registry, host: str, port: int, token: str) -> str:
    """What a person opens. Whoever has the token can do what the pages can."""
    if behind := registry.file.behind_proxy:
        return f"{behind.origin}, through the reverse proxy at {behind.address}; it asks {host} port {port}"
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/?token={token}"


def _refuse_to_be_open(registry: Registry, host: str) -> None:
    """Beyond this machine the pages are served behind a proxy that names the user, or not at all."""
    if registry.file.behind_proxy is None and host not in LOOPBACK:
        raise CannotServe(
            f"--host {host}: other machines could open the pages, and nobody would know who does; the pages "
            "hold patients' data. Serve them behind a reverse proxy that signs people in, and name it in "
            "registry.yml (behind_proxy: docs/pages.md), or leave --host out and open them through SSH: "
            f"ssh -L 3000:127.0.0.1:3000 {socket.gethostname()}"
        )


def _refuse_if_taken(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotServe(
                f"port {port} of {host} cannot be used ({error.strerror}); choose another: myositis ui "
                f"--port {port + 1}"
            ) from None


def _told(registry: Registry) -> str:
    own = registry.file.unattended
    return (
        f"{registry.file.name} runs by itself while this process is up: it looks at landing/ and at the "
        f"registry's files every {own.look_every_seconds} s,\n"
        "takes what has arrived, builds, releases and reports; what is still outstanding is tried once "
        f"more each night at {own.told_night}.\n"
        "A night that was missed is made up for when this starts again. How it stands: myositis status"
    )


def _become(
    registry: Registry, services: list[Service], lock: str = DAEMON_LOCK, ends_runs: bool = True
) -> NoReturn:
    sys.stdout.flush()
    home = registry.dagster_home
    plan = Plan(str(home / lock), str(home / MARKS if ends_runs else home / "none"), services)
    be_supervised()
    # a signal that comes now waits until the supervisor listens
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    os.execv(sys.executable, [sys.executable, "-m", "orchestration.running.supervisor", plan.as_json()])


def _code_server(registry: Registry) -> Service:
    address = str(_socket(registry))
    return Service(
        "code server",
        [
            *(sys.executable, "-m", "dagster", "api", "grpc", "--module-name", DEFINITIONS),
            *("--socket", address, "--location-name", DEFINITIONS),
            *("--log-level", "warning", "--max-workers", "4"),
        ],
        address,
    )


def _dagster_daemon(registry: Registry) -> Service:
    return Service(
        "daemon",
        [
            *(sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(_workspace(registry))),
            *("--log-level", "warning"),
        ],
    )


def _webserver(registry: Registry, host: str, port: int, token: Path) -> Service:
    options = Options(host, port, str(token), str(_workspace(registry)))
    return Service("webserver", [sys.executable, "-m", SERVER, options.as_json()])


def _workspace(registry: Registry) -> Path:
    """The file that tells daemon and webserver where the code server listens."""
    server = {"socket": str(_socket(registry)), "location_name": DEFINITIONS}
    return write_atomically(
        registry.dagster_home / "workspace.yaml", json.dumps({"load_from": [{"grpc_server": server}]})
    )


def _socket(registry: Registry) -> Path:
    """Where the code server listens. A socket's path may have 107 characters, a registry's may have more."""
    folder = Path(tempfile.gettempdir()) / f"myositis-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise CannotServe(
            f"{folder}: belongs to another user; remove it, or set TMPDIR to a folder of your own"
        )
    folder.chmod(0o700)
    return folder / f"{hashlib.sha256(str(registry.folder).encode()).hexdigest()[:16]}.sock"
