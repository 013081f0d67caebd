"""What stands at which address: the first page, the report, Dagster.

Belongs here: addresses, and reading what a page shows. Does not belong here: who may come in (`door.py`),
how the registry stands (`situation.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from orchestration.database.warehouse_file import GLANCE_SECONDS
from orchestration.pages.door import DAGSTER, App
from orchestration.raw.withdrawals import told_of_missing
from orchestration.registry.folder import Registry
from orchestration.running.supervisor import DAEMON_LOCK, holder
from orchestration.situation import Situation, glance_at_situation
from yaml_files.yaml_file import ConfigurationError

# The report's pages carry their styles, and the page of lineage its script, which its own policy narrows to
# one hash; both policies hold.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; script-src {script}; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
REPORT_PAGES = ("report.html", "lineage.html", "lineage.json")
REPORT_FOLDERS = ("tables", "figures")  # an older report may have a folder with rows of single patients
FRESH_SECONDS = 2.0  # how long a look at the warehouse is shown again, however many ask


@dataclass
class Looks:
    """One look at the registry at a time, shown to all who ask within two seconds."""

    registry: Callable[[], Registry]
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: tuple[Registry, Situation] | None = None
    at: float = 0.0

    def look(self) -> tuple[Registry, Situation]:
        """Raises ConfigurationError while a file of the registry is faulty."""
        with self.lock:
            if self.seen is None or time.monotonic() - self.at > FRESH_SECONDS:
                registry = self.registry()
                self.seen = registry, glance_at_situation(registry, GLANCE_SECONDS)
                self.at = time.monotonic()
            return self.seen


def application(registry: Callable[[], Registry], dagster: App) -> Starlette:
    """The pages of the registry that ``registry`` returns, and Dagster's behind them. No door yet."""
    looks = Looks(registry)
    templates = Environment(
        loader=PackageLoader("orchestration.pages"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip

    def first_page(request: Request) -> Response:
        user = request.scope.get("myositis.user", "")
        return HTMLResponse(templates.get_template("situation.html.j2").render(**_shown(looks), user=user))

    def style(request: Request) -> Response:
        return Response(templates.get_template("pages.css").render(), media_type="text/css")

    def report(request: Request) -> Response:
        return _report_file(registry().reports / "current", request.path_params["path"] or "report.html")

    return Starlette(
        routes=[
            Route("/", first_page),
            Route("/pages.css", style),
            Route("/report", lambda request: RedirectResponse("/report/")),
            Route("/report/{path:path}", report),
            Mount("", app=dagster),
        ],
        exception_handlers={Exception: _broken, ConfigurationError: _broken},
    )


def _shown(looks: Looks) -> dict[str, Any]:
    try:
        registry, situation = looks.look()
    except ConfigurationError as error:
        return {"name": error.what, "faults": error.faults, "dagster": DAGSTER}
    today = date.today()
    return {
        "name": registry.file.name,
        "faults": [],
        "is_synthetic": registry.file.synthetic,
        "situation": situation,
        "release": situation.current_release,
        "refusals": [refusal.sentence() for refusal in situation.refusals],
        "needs_a_person": [
            *(stray.sentence() for stray in situation.strays),
            *told_of_missing(situation.missing),
            *(due.sentence(today) for due in situation.due),
        ],
        "has_report": (registry.reports / "current" / "report.html").is_file(),
        "is_unattended": holder(registry.dagster_home / DAEMON_LOCK) is not None,
        "dagster": DAGSTER,
    }


def _report_file(folder: Path, name: str) -> Response:
    """A file of the current report, and of nothing else: no link out of it, no way up."""
    root = folder.resolve()
    path = (root / name.replace("\0", "")).resolve()
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    is_known = parts in [(page,) for page in REPORT_PAGES] or (
        len(parts) == 2 and parts[0] in REPORT_FOLDERS and not parts[1].startswith(".")
    )
    if not is_known or not path.is_file():
        raise HTTPException(404)
    policy = REPORT_POLICY.format(script="'unsafe-inline'" if parts == ("lineage.html",) else "'none'")
    return FileResponse(path, headers={"content-security-policy": policy})


async def _broken(request: Request, error: Exception) -> Response:
    """The text of an error may name a file of a hospital: it is not shown."""
    return PlainTextResponse(
        f"This page cannot be made now ({type(error).__name__}). How the registry stands: myositis status\n",
        500,
    )
