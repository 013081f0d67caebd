"""The page *Ask*: a question in SQL to a release, its answer on the page or in a file to take away.

Belongs here: what the page asks, its bounds, and its sentences. Does not belong here: the lock and the
process that answers (`database/asking.py`), the questions to begin with (`docs/sql-questions.md`).

A question runs in a process of its own, which reads the release and nothing else; this process never runs it.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from urllib.parse import urlencode

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from orchestration.database import asking
from orchestration.database.asking import Bounds, Question, QuestionRefused
from orchestration.pages.language import gettext
from orchestration.pages.shell import Released, Shell, Told
from orchestration.resources import DBT_PROJECT

ON_THE_PAGE = Bounds(seconds=20, rows=200)
IN_A_FILE = Bounds(seconds=60, file_bytes=asking.GIB)
AT_ONCE = 2
PATIENCE_SECONDS = 20.0
FILES = {
    "csv": ("CSV", "text/csv; charset=utf-8"),
    "xlsx": ("XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "parquet": ("Parquet", "application/vnd.apache.parquet"),
}
SCHEMAS = ["release", "results", "quality"]
GUIDE = DBT_PROJECT.parent / "docs" / "sql-questions.md"
SECTION = re.compile(r"^## \d+\. ([^\n]+)\n((?:(?!\n## ).)*?)```sql\n(.+?)\n```$", re.MULTILINE | re.DOTALL)
NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*)")

_places = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Prepared:
    """A question to begin with."""

    title: str
    text: str
    query: str


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    description: str


@dataclass(frozen=True)
class Table:
    name: str
    description: str
    columns: list[Column]


@dataclass(frozen=True)
class Shown:
    """An answer as the page shows it. ``numbers`` says of each column whether it holds numbers."""

    columns: list[str]
    types: list[str]
    rows: list[list[str | None]]
    is_cut: bool

    @property
    def numbers(self) -> list[bool]:
        return [NUMBERS.fullmatch(kind) is not None for kind in self.types]


@dataclass(frozen=True)
class Refused:
    """Why there is no answer and what to do; ``engine`` is what DuckDB said of the query."""

    sentence: str
    status: int = 400
    engine: str = ""


def routes(shell: Shell) -> list[Route]:
    def page(request: Request) -> Response:
        with shell.released(request) as released:
            query = request.query_params.get("sql")
            answer = None if query is None else _shown(released, query)
            return _page(shell, request, released, query or "", answer)

    def file(request: Request) -> Response:
        form, query = request.path_params["form"], request.query_params.get("sql", "")
        if form not in FILES:
            raise Told(
                gettext(
                    "An answer can be saved as %(forms)s, and in no other form.",
                    forms=", ".join(label for label, _ in FILES.values()),
                ),
                404,
            )
        with shell.released(request) as released:
            found = _file(released, query, form)
            return found if isinstance(found, Response) else _page(shell, request, released, query, found)

    return [Route("/ask", page), Route("/ask/answer.{form}", file)]


@cache
def prepared() -> tuple[Prepared, ...]:
    """The questions to begin with; none where the guide is not installed."""
    if not GUIDE.is_file():
        return ()
    return tuple(
        Prepared(title, " ".join(text.replace("`", "").split()), query)
        for title, text, query in SECTION.findall(GUIDE.read_text(encoding="utf-8"))
    )


def _page(
    shell: Shell, request: Request, released: Released, query: str, answer: Shown | Refused | None
) -> Response:
    release = [(key, value) for key, value in request.query_params.multi_items() if key == "release"]
    refused = answer if isinstance(answer, Refused) else None

    def address(path: str, sql: str) -> str:
        return f"{path}?{urlencode([('sql', sql), *release])}"

    return shell.page(
        request,
        "ask.html.j2",
        refused.status if refused else 200,
        query=query,
        answer=answer if isinstance(answer, Shown) else None,
        refused=refused,
        questions=[(one, address("/ask", one.query)) for one in prepared()],
        chosen=next((one for one in prepared() if one.query.split() == query.split()), None),
        files=[(label, address(f"/ask/answer.{form}", query)) for form, (label, _) in FILES.items()],
        tables=[(t, address("/ask", f"from {t.name}")) for t in _tables(released)],
        at_most=ON_THE_PAGE,
    )


def _shown(released: Released, query: str) -> Shown | Refused:
    pieces: list[bytes] = []
    try:
        with _place():
            answered = asking.ask(Question(released.path, query, asking.PAGE, ON_THE_PAGE), pieces.append)
    except QuestionRefused as refused:
        return _refused(refused, ON_THE_PAGE)
    return Shown(**json.loads(b"".join(pieces)), is_cut=answered.is_cut)


def _file(released: Released, query: str, form: str) -> Response | Refused:
    """The answer as a file, which is removed once it is sent."""
    folder = tempfile.TemporaryDirectory(prefix="answer-")
    path = Path(folder.name) / f"answer.{form}"
    try:
        with _place():
            asking.ask_into(Question(released.path, query, form, IN_A_FILE), path)
    except QuestionRefused as refused:
        folder.cleanup()
        return _refused(refused, IN_A_FILE)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        path,
        media_type=FILES[form][1],
        filename=f"answer-{released.release_id}.{form}",
        background=BackgroundTask(folder.cleanup),
    )


@contextmanager
def _place() -> Iterator[None]:
    """A few questions are answered at once; the others wait a while."""
    if not _places.acquire(timeout=PATIENCE_SECONDS):
        raise Told(gettext("Other questions are being answered; ask again in a minute."), 503)
    try:
        yield
    finally:
        _places.release()


def _refused(refused: QuestionRefused, bounds: Bounds) -> Refused:
    """What to do on this page, where the terminal has an option."""
    match refused.reason:
        case "time":
            told = gettext(
                "The query took more than %(seconds)s seconds and was stopped. Ask for less, or allow it "
                "more time in a terminal: myositis sql … --seconds 600",
                seconds=f"{bounds.seconds:g}",
            )
            return Refused(told)
        case "memory":
            told = gettext(
                "The query needs more than %(memory)s of memory and was stopped. Ask for less, or allow it "
                "more in a terminal: myositis sql … --memory 8GB",
                memory=bounds.told_memory,
            )
            return Refused(told)
        case "file":
            told = gettext(
                "The answer is larger than %(size)s. Ask for fewer rows or columns, or write it in a "
                "terminal: myositis sql … --output FILE",
                size=f"{(bounds.file_bytes or 0) / asking.GIB:g} GB",
            )
            return Refused(told)
        case "rows":
            return Refused(
                gettext("The answer has more rows than a worksheet can hold. Take it as CSV or Parquet.")
            )
        case "columns":
            return Refused(
                gettext(
                    "The answer has more than %(columns)s columns, which no page shows. Name fewer, or "
                    "take the answer as a file.",
                    columns=asking.PAGE_COLUMNS,
                )
            )
        case "nothing":
            return Refused(gettext("There is no query. Write one, or choose a question below."))
        case "several":
            return Refused(gettext("These are several statements. Ask one at a time."))
        case "writes":
            return Refused(
                gettext(
                    "Only questions are answered here: SELECT, FROM, WITH, VALUES, PIVOT, DESCRIBE, "
                    "SUMMARIZE, SHOW or EXPLAIN. A release never changes, and a setting cannot be changed."
                )
            )
        case "reaches":
            return Refused(
                gettext(
                    "The query reaches for a file, an extension or the network. It is answered from the "
                    "tables of the release only; they are listed on this page."
                )
            )
        case "database":
            raise Told(str(refused), 503)
        case "engine":
            return Refused(
                gettext(
                    "The database cannot answer this query as it is written. The tables and their columns are"
                    " listed on this page."
                ),
                engine=str(refused),
            )


def _tables(released: Released) -> list[Table]:
    """The tables of the release, each with its columns and with what they mean."""
    described = {
        row["name"]: row["comment"]
        for row in released.rows(
            "select schema_name || '.' || table_name as name, comment from duckdb_tables()"
            " union all select schema_name || '.' || view_name, comment from duckdb_views()"
        )
    }
    columns = released.rows(
        "select schema_name || '.' || table_name as name, column_name, data_type, comment "
        "from duckdb_columns()"
        " where not internal and schema_name in $schemas"
        " order by list_position($schemas, schema_name), table_name, column_index",
        {"schemas": SCHEMAS},
    )
    return [
        Table(
            name,
            described.get(name) or "",
            [Column(c["column_name"], c["data_type"], c["comment"] or "") for c in of_table],
        )
        for name, of_table in groupby(columns, key=lambda column: str(column["name"]))
    ]
