"""Which services `myositis daemon` and `myositis ui` keep alive, and what they say when they start.

Belongs here: the services' commands, the files by which they find each other. Does not belong here: keeping
them alive (`running/supervisor.py`), what they launch (`automation.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from orchestration.command import console
from orchestration.files import write_atomically
from orchestration.registry.folder import Registry
from orchestration.resources import be_supervised
from orchestration.running.supervisor import DAEMON_LOCK, MARKS, CannotServe, Plan, Service, holder

DEFINITIONS = "orchestration.definitions"


def daemon(registry: Registry) -> NoReturn:
    """Become the supervisor of the code server and of Dagster's daemon."""
    console.out.print(_told(registry), markup=False)
    _become(registry, [_code_server(registry), _dagster_daemon(registry)])


def ui(registry: Registry, port: int) -> NoReturn:
    """Become the supervisor of Dagster's webserver; and of code server and daemon, unless a `myositis daemon`
    of this registry has them already.
    """
    _refuse_if_taken(port)
    address = f"Dagster UI of {registry.file.name}: http://127.0.0.1:{port}  (stop with Ctrl-C)"
    if process := holder(registry.dagster_home / DAEMON_LOCK):
        console.out.print(
            f"{address}\nprocess {process} looks after this registry already; the UI shows what it does",
            markup=False,
        )
        _become(registry, [_webserver(registry, port)], lock=f"ui_{port}.lock", ends_runs=False)
    console.out.print(f"{address}\n{_told(registry)}", markup=False)
    _become(registry, [_code_server(registry), _dagster_daemon(registry), _webserver(registry, port)])


def _refuse_if_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotServe(
                f"port {port} of 127.0.0.1 cannot be used ({error.strerror}); choose another: myositis ui --port {port + 1}"
            ) from None


def _told(registry: Registry) -> str:
    own = registry.file.unattended
    return (
        f"{registry.file.name} runs by itself while this process is up: it looks at landing/ and at the registry's files every"
        f" {own.look_every_seconds} s,\ntakes what has arrived, builds, releases and reports; what is still outstanding is tried"
        f" once more each night at {own.told_night}.\nA night that was missed is made up for when this starts again. How it stands:"
        " myositis status"
    )


def _become(
    registry: Registry, services: list[Service], lock: str = DAEMON_LOCK, ends_runs: bool = True
) -> NoReturn:
    sys.stdout.flush()
    home = registry.dagster_home
    plan = Plan(str(home / lock), str(home / MARKS if ends_runs else home / "none"), services)
    be_supervised()
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


def _webserver(registry: Registry, port: int) -> Service:
    return Service(
        "webserver",
        [
            *(sys.executable, "-m", "dagster_webserver", "--host", "127.0.0.1", "--port", str(port)),
            *("--workspace", str(_workspace(registry)), "--dagster-log-level", "warning"),
        ],
    )


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
