"""The process that serves the pages: `python -m orchestration.pages.server OPTIONS`, as JSON.

Belongs here: the socket, its bounds, and what the process is made of. Does not belong here: keeping it alive
(`running/supervisor.py`), its options (`command/services.py`).
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestration.pages.application import application
from orchestration.pages.door import LONGEST_HEADERS, App, Door, Guarded, Proxy, local_door
from orchestration.pages.options import Options
from orchestration.registry.registry_file import BehindProxy

LONGEST_MESSAGE = 1 << 20  # of a WebSocket; Dagster's questions are far shorter
FIRST_REQUEST_SECONDS = 10.0
MOST_AT_ONCE = 2_000  # beyond it a connection is told to come back (503)


class Impatient(H11Protocol):
    """Closes a connection that has not sent a whole request within ten seconds of its beginning."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(FIRST_REQUEST_SECONDS, self._close_if_nothing_was_asked)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience:
            self._patience.cancel()
        super().connection_lost(exc)

    def _close_if_nothing_was_asked(self) -> None:
        if self.cycle is None and self in self.connections:  # a WebSocket has another protocol by now
            self.transport.close()


def door_of(behind: BehindProxy | None, port: int, token: str) -> Door:
    if behind is None:
        return local_door(port, token)
    return Door(frozenset([behind.origin]), "", proxy=Proxy(behind.header, ip_network(behind.address)))


def serve(app: App, door: Door, options: Options) -> None:
    """Serve until a signal comes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * MOST_AT_ONCE)), hard))
    uvicorn.run(
        cast("uvicorn._types.ASGIApplication", Guarded(app, door)),
        host=options.host,
        port=options.port,
        http=Impatient,
        ws="websockets-sansio",
        ws_max_size=LONGEST_MESSAGE,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        limit_concurrency=MOST_AT_ONCE,
        backlog=MOST_AT_ONCE,
        timeout_graceful_shutdown=1,
        proxy_headers=False,  # whom the proxy names is the door's to judge
        server_header=False,
        access_log=False,  # an address may hold the token
        log_level="warning",
    )


def main(options: Options) -> None:
    from orchestration.pages.dagster import dagster_pages
    from orchestration.resources import registry_now
    from orchestration.results.asked import start_early

    start_early()
    behind = registry_now().file.behind_proxy
    door = door_of(behind, options.port, Path(options.token_file).read_text())
    with dagster_pages(Path(options.workspace)) as dagster:
        serve(application(registry_now, cast(App, dagster)), door, options)


if __name__ == "__main__":
    main(Options(**json.loads(sys.argv[1])))
