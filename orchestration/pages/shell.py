"""What every page of the explorer stands in: the layout, the release that it reads, and errors as sentences.

Belongs here: what all pages share. Does not belong here: what one page shows (`<page>.py` with its template),
which pages there are (`listed.py`), what else stands at an address (`application.py`).

    def routes(shell: Shell) -> list[Route]:
        def show(request: Request) -> Response:
            with shell.released(request) as released:
                return shell.page(request, "cohort.html.j2", rows=released.rows("from results.cohort_flow"))
        return [Route("/cohort", show)]
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from orchestration.database.asking import Bounds, QuestionRefused, locked
from orchestration.pages import language
from orchestration.pages.door import DAGSTER, STATIC
from orchestration.pages.language import COOKIE, LANGUAGES, gettext
from orchestration.pages.looks import Looks
from orchestration.pages.words import opened, worded
from orchestration.registry.folder import Registry
from orchestration.situation import Release, releases_of
from yaml_files.yaml_file import ConfigurationError

STATIC_FOLDER = Path(__file__).parent / "static"
# No script but ours, no eval, nothing from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
READING = Bounds(memory_bytes=1 << 30)
KEPT_OPEN = 3  # releases; opening one takes a tenth of a second
OF_THE_LAYOUT = ("release", "lang")  # parameters of an address that every page takes


class Told(Exception):
    """A sentence for the reader with what to do; it is shown inside the layout."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


@dataclass(frozen=True)
class Listed:
    """A page of the navigation. Its title is marked for translation where the list is made."""

    address: str
    title: str
    is_shown: Callable[[Registry], bool] = lambda _: True


@dataclass(frozen=True)
class Released:
    """An open release: read only, and without a way to any other file."""

    release: Release
    path: Path
    connection: duckdb.DuckDBPyConnection

    @property
    def release_id(self) -> str:
        return self.release.release_id

    def rows(self, query: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[dict[str, Any]]:
        """The rows of an answer, by column."""
        answer = self.connection.execute(query, parameters)
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row)) for row in answer.fetchall()]

    def has(self, table: str) -> bool:
        """Whether the release has the table `schema.table`; an older one may lack it."""
        schema, _, name = table.partition(".")
        return bool(
            self.rows(
                "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
                [schema, name],
            )
        )


@dataclass
class Opened:
    """The releases that are open, by path and content; the longest unused is closed first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: dict[Path, tuple[tuple[int, ...], duckdb.DuckDBPyConnection]] = field(default_factory=dict)

    def cursor(self, path: Path) -> duckdb.DuckDBPyConnection:
        """A connection of the caller's own to the release. Raises QuestionRefused if it is damaged."""
        found = path.stat()
        content = (found.st_ino, found.st_mtime_ns, found.st_size)
        with self.lock:
            opened, kept = self.kept.pop(path, (content, None))
            if kept is not None and opened != content:  # the engine would hand the earlier file out again
                kept.close()
                kept = None
            kept = kept or locked(path, READING, "")
            self.kept[path] = content, kept
            while len(self.kept) > KEPT_OPEN:
                self.kept.pop(next(iter(self.kept)))[1].close()
            return kept.cursor()

    def close(self) -> None:
        """Close every release, so that this process can open them in another manner."""
        with self.lock:
            for _, connection in self.kept.values():
                connection.close()
            self.kept.clear()


OPENED = Opened()  # one for the process, because the engine opens a file in one manner per process


@dataclass(frozen=True)
class Shell:
    """What a page module is given. ``registry`` raises ConfigurationError while a file is faulty."""

    registry: Callable[[], Registry]
    pages: tuple[Listed, ...] = ()
    templates: Environment = field(default_factory=lambda: environment())
    opened: Opened = field(default_factory=lambda: OPENED)

    @cached_property
    def looks(self) -> Looks:
        return Looks(self.registry, self.opened.cursor)

    def page(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:
        """The template in the layout. What the layout needs stands beside ``context``."""
        answer = HTMLResponse(
            self.templates.get_template(template).render(**self._layout(request), **context),
            status,
            headers={"content-security-policy": POLICY, "vary": "Cookie, Accept-Language"},
        )
        if request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie(
                COOKIE, language.current(), max_age=31_536_000, httponly=True, samesite="strict"
            )
        return answer

    @contextmanager
    def released(self, request: Request) -> Iterator[Released]:
        """The release that `?release=` names, else the current one. Raises Told if it cannot be read."""
        registry = self.registry()
        release = wanted(releases_of(registry), request)
        path = registry.releases / f"{release.release_id}.duckdb"
        damaged = gettext(
            "Release %(release)s cannot be read: its file is damaged. Choose another release above, or "
            "restore the file from its backup; if there is none, remove it and run: myositis run",
            release=release.release_id,
        )
        try:
            cursor = self.opened.cursor(path)
        except (QuestionRefused, OSError, duckdb.Error):
            raise Told(damaged, 503) from None
        request.state.release = release
        try:
            yield Released(release, path, cursor)
        except duckdb.CatalogException as error:
            raise Told(
                gettext(
                    "Release %(release)s does not hold what this page reads: another version made it. Choose"
                    " another release above, or make a new one with: myositis run",
                    release=release.release_id,
                ),
                409,
            ) from error
        except (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException) as error:
            raise Told(damaged, 503) from error
        finally:
            cursor.close()

    def told(self, request: Request, told: Told) -> Response:
        return self.page(request, "told.html.j2", told.status, sentence=told.sentence, faults=())

    def _layout(self, request: Request) -> dict[str, Any]:
        releases: list[Release] = []
        pages: list[Listed] = []
        name, is_synthetic, has_report = "Myositis", False, False
        try:
            registry = self.registry()
        except ConfigurationError:
            pass  # the first page tells the faults; the others lead there
        else:
            name, is_synthetic = registry.file.name, registry.file.synthetic
            has_report = (registry.reports / "current" / "report.html").is_file()
            releases = releases_of(registry)
            pages = [page for page in self.pages if page.is_shown(registry)]
        query = request.query_params.multi_items()
        read: Release | None = getattr(request.state, "release", None)
        return {
            "registry_name": name,
            "is_synthetic": is_synthetic or (read is not None and read.is_synthetic),
            "has_report": has_report,
            "pages": pages,
            "address": request.url.path,
            "releases": releases,
            "release_read": read,
            "release_asked": request.query_params.get("release", ""),
            "kept": [(key, value) for key, value in query if key not in OF_THE_LAYOUT],
            "carried": [(key, value) for key, value in query if key == "release"],
            "language": language.current(),
            "languages": LANGUAGES,
            "user": request.scope.get("myositis.user", ""),
            "dagster": DAGSTER,
        }


@cache
def static_version() -> str:
    """Stands in the address of each file, so that a browser keeps a file until it changes."""
    files = sorted(path for path in STATIC_FOLDER.rglob("*") if path.is_file())
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("orchestration.pages"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    made.install_gettext_callables(  # type: ignore[attr-defined]
        language.translated, language.translated_number, newstyle=True
    )
    made.filters["count"] = lambda number: "" if number is None else f"{number:,}"
    made.filters["worded"] = worded
    made.filters["opened"] = opened
    made.filters["unit"] = lambda unit: worded(str(unit).strip("{}"))
    made.globals["in_english"] = in_english
    made.filters["as_json"] = as_json
    made.globals["static"] = f"{STATIC}{static_version()}"
    return made


def in_english(text: str) -> Markup:
    """The attribute of an element that holds an English sentence on a page in another language."""
    is_left = language.current() != language.DEFAULT and worded(text) == text
    return Markup(' lang="en"' if is_left else "")


def as_json(value: object) -> Markup:
    """JSON that may stand inside `<script type="application/json">`: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def wanted(releases: Sequence[Release], request: Request) -> Release:
    """The release that `?release=` names, else the current one. Raises Told if there is none."""
    if asked := request.query_params.get("release", ""):
        found = next((release for release in releases if release.release_id == asked), None)
        if found is None:
            raise Told(
                gettext(
                    "There is no release of this name. Choose one above, or leave ?release= out of the "
                    "address for the current one."
                ),
                404,
            )
        return found
    current = next((release for release in releases if release.is_current), None)
    if current is None:
        raise Told(gettext("There is no release yet. Make one with: myositis run"), 404)
    return current
