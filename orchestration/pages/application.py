"""What stands at which address: the first page, the pages of the explorer, the report, Dagster.

Belongs here: addresses, and reading what a page shows. Does not belong here: who may come in (`door.py`),
how the registry stands (`situation.py`).
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from datetime import date
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from orchestration.pages.door import DAGSTER, STATIC, App
from orchestration.pages.language import InTheReadersLanguage, gettext
from orchestration.pages.listed import PAGES
from orchestration.pages.looks import Looks
from orchestration.pages.shell import STATIC_FOLDER, Shell, Told, static_version
from orchestration.raw.withdrawals import told_of_missing
from orchestration.registry.folder import Registry
from orchestration.running.supervisor import DAEMON_LOCK, holder
from yaml_files.yaml_file import ConfigurationError

# The report's pages carry their styles, and the page of lineage its script, which its own policy narrows to
# one hash; both policies hold.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; script-src {script}; base-uri "
    "'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_PAGES = ("report.html", "lineage.html", "lineage.json")
REPORT_FOLDERS = ("tables", "figures")  # an older report may have a folder with rows of single patients


def application(registry: Callable[[], Registry], dagster: App) -> Starlette:
    """The pages of the registry that ``registry`` returns, and Dagster's behind them. No door yet."""
    shell = Shell(registry, tuple(page.listed for page in PAGES))

    def first_page(request: Request) -> Response:
        return shell.page(request, "situation.html.j2", **_shown(shell.looks))

    def report(request: Request) -> Response:
        return _report_file(registry().reports / "current", request.path_params["path"] or "report.html")

    def static(request: Request) -> Response:
        return _static_file(request.path_params["path"])

    def told(request: Request, error: Exception) -> Response:
        return shell.told(request, error if isinstance(error, Told) else Told(str(error)))

    def faulty(request: Request, error: Exception) -> Response:
        faults = error.faults if isinstance(error, ConfigurationError) else ()
        return shell.page(request, "told.html.j2", 503, sentence="", faults=faults)

    def unknown(request: Request, error: Exception) -> Response:
        return shell.told(request, Told(gettext("There is no page at this address. Choose one above."), 404))

    def broken(request: Request, error: Exception) -> Response:
        """The text of an error may name a file of a hospital: it is not shown."""
        return shell.told(
            request,
            Told(
                gettext(
                    "This page cannot be made now (%(error)s). How the registry stands: myositis status",
                    error=type(error).__name__,
                ),
                500,
            ),
        )

    return Starlette(
        routes=[
            Route("/", first_page),
            *(route for page in PAGES for route in page.routes(shell)),
            Route("/report", lambda request: RedirectResponse("/report/")),
            Route("/report/{path:path}", report),
            Route(f"{STATIC}{{path:path}}", static),
            Mount("", app=_under(DAGSTER, dagster)),
        ],
        exception_handlers={
            Told: told, ConfigurationError: faulty, 404: unknown, Exception: broken,
        },
        middleware=[Middleware(InTheReadersLanguage)],
    )  # fmt: skip


def _under(path: str, app: App) -> App:
    """The application for the addresses under ``path``; there is nothing at another."""

    async def guarded(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan" and f"{scope['path']}/".startswith(f"{path}/"):
            await app(scope, receive, send)
            return
        raise HTTPException(404)

    return guarded


def _shown(looks: Looks) -> dict[str, Any]:
    try:
        look = looks.look()
    except ConfigurationError as error:
        return {"faults": error.faults}
    today = date.today()
    registry, situation = look.registry, look.situation
    return {
        "faults": [],
        "situation": situation,
        "release": situation.current_release,
        "refusals": [refusal.sentence() for refusal in situation.refusals],
        "needs_a_person": [
            *(stray.sentence() for stray in situation.strays),
            *told_of_missing(situation.missing),
            *(due.sentence(today) for due in situation.due),
        ],
        "is_unattended": holder(registry.dagster_home / DAEMON_LOCK) is not None,
    }


def _static_file(asked: str) -> Response:
    """A file of `static/`, under an address that changes when any of them does."""
    version, _, name = asked.partition("/")
    path = (STATIC_FOLDER / name.replace("\0", "")).resolve()
    is_ours = path.is_relative_to(STATIC_FOLDER.resolve()) and path.suffix in (".js", ".css")
    if version != static_version() or not is_ours or not path.is_file():
        raise HTTPException(404)
    return FileResponse(path)


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
