"""Dagster's own pages, mounted under a path of ours with a policy of ours.

Belongs here: what of Dagster's webserver is served. Does not belong here: who may come in (`door.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, __version__
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.webserver import DagsterWebserver
from starlette.applications import Starlette

from orchestration.pages.door import DAGSTER

POLL_MILLISECONDS = 2000


class Webserver(DagsterWebserver):  # type: ignore[type-arg]
    def make_security_headers(self) -> dict[str, str]:
        return {}  # the door's hold for every page

    def make_csp_header(self, nonce: str) -> str:
        """Scripts run by nonce alone, and everything comes from here. Dagster's components style themselves
        inline, and lay the graph out in a worker.
        """
        return "; ".join(
            (
                "default-src 'none'",
                f"script-src 'nonce-{nonce}' 'strict-dynamic'",
                "style-src 'self' 'unsafe-inline'",
                "img-src 'self' data:",
                "font-src 'self' data:",
                "connect-src 'self'",
                "worker-src 'self' blob:",
                "manifest-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        )


@contextmanager
def dagster_pages(workspace: Path) -> Iterator[Starlette]:
    """Dagster's application, for the code server that ``workspace`` names."""
    with (
        DagsterInstance.get() as instance,
        WorkspaceProcessContext(
            instance, WorkspaceFileTarget([str(workspace)]), version=__version__
        ) as context,
    ):
        instance.optimize_for_webserver(15_000, 3_600, 20)  # as Dagster's own command has it
        options: dict[str, Any] = {"live_data_poll_rate": POLL_MILLISECONDS}
        yield Webserver(context, DAGSTER, **options).create_asgi_app()
