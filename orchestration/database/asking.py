"""Asks one question of a database file, and can do nothing else: no write, no other file, no network.

Belongs here: the lock, the bounds on time and memory, and the forms in which an answer leaves. A single
function call of SQL can run for hours and cannot be interrupted, so a process of its own answers, and is
killed at the bound. Does not belong here: what is asked, and where the answer is shown (`command/sql.py`).

    python -m orchestration.database.asking   reads one question, as JSON, from its standard input
"""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from orchestration.database.unknown_names import parts_described, told
from orchestration.files import part_of, put_in_place
from orchestration.processes import die_with_parent

if TYPE_CHECKING:
    import duckdb

GIB = 1 << 30
BESIDE_THE_ENGINE = 3 * GIB  # address space of the interpreter, the libraries and the threads' stacks
LOCK_WAIT_SECONDS = 10.0
XLSX_ROWS = 1_048_575  # a worksheet has one more, for the header
FORMATS = ("table", "csv", "json", "parquet", "xlsx")
ONLY_IN_FILES = ("parquet", "xlsx")
COPY_OPTIONS = {
    "csv": "format csv, header",
    "json": "format json, array true",
    "parquet": "format parquet",
}


PAGE = "page"  # a format for pages alone: columns, types and cells as texts
PAGE_COLUMNS = 500
PAGE_CELLS = 20_000
CELL_CHARACTERS = 300

Reason = Literal[
    "time", "memory", "file", "rows", "columns", "nothing", "several", "writes", "reaches", "database",
    "engine"
]  # fmt: skip


class QuestionRefused(Exception):
    """The question cannot be answered as it was asked; the text says why, and what to do in a terminal.

    A page chooses its own advice by ``reason``. For the reason "engine" the text is DuckDB's.
    """

    def __init__(self, sentence: str, reason: Reason = "engine") -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True)
class Bounds:
    """What a question may take."""

    seconds: float = 60.0
    memory_bytes: int = 2 * GIB
    rows: int | None = None  # None: every row
    file_bytes: int | None = None  # None: as many as the disk holds

    @property
    def told_memory(self) -> str:
        return f"{self.memory_bytes / GIB:g} GB"


@dataclass(frozen=True)
class Question:
    database: Path
    query: str
    format: str = "table"
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class Answered:
    """How many rows were given, and whether there are more. ``rows`` is None where nobody counted them."""

    rows: int | None
    is_cut: bool


def ask(question: Question, give: Callable[[bytes], Any]) -> Answered:
    """Hand the answer to ``give``, piece by piece, as UTF-8 text in the question's format."""
    return _in_process(question, None, give)


def ask_into(question: Question, path: Path) -> Answered:
    """Write the answer to ``path``, which appears whole, readable by its owner only, or not at all."""
    part = part_of(path)
    part.touch(mode=0o600)
    try:
        answered = _in_process(question, part, lambda _: None)
        put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)
    return answered


def _in_process(question: Question, into: Path | None, give: Callable[[bytes], Any]) -> Answered:
    task = asdict(question) | {"database": str(question.database), "into": str(into) if into else None}
    with (
        tempfile.TemporaryDirectory() as passing,  # a worker that is killed leaves half a workbook there
        subprocess.Popen(
            [sys.executable, "-m", "orchestration.database.asking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        assert process.stdin and process.stdout and process.stderr  # they are pipes
        overrun = threading.Event()

        def stop() -> None:
            overrun.set()
            process.kill()

        bound = threading.Timer(question.bounds.seconds, stop)
        bound.start()
        try:
            process.stdin.write(json.dumps(task | {"passing": passing}).encode())
            process.stdin.close()
            while piece := os.read(process.stdout.fileno(), 1 << 16):
                give(piece)
            said = process.stderr.read().decode("utf-8", "replace")
        except BaseException:  # Ctrl-C, or nobody reads on
            process.kill()
            raise
        finally:
            bound.cancel()
    if overrun.is_set():
        raise QuestionRefused(
            f"the query took more than {question.bounds.seconds:g} s and was stopped; ask for less, or allow"
            " more with --seconds",
            "time",
        )
    return _understood(said, process.returncode, question.bounds)


def _understood(said: str, code: int, bounds: Bounds) -> Answered:
    try:
        found = json.loads(said.strip().rpartition("\n")[2])
    except ValueError:
        if "MemoryError" in said or "bad_alloc" in said or code < 0:
            raise QuestionRefused(_too_large(bounds), "memory") from None
        raise RuntimeError(f"the process that answers ended with {code}: {said.strip()[-300:]}") from None
    if "refused" in found:
        raise QuestionRefused(found["refused"], found["reason"])
    return Answered(**found)


def _too_large(bounds: Bounds) -> str:
    return (
        f"the query needs more than {bounds.told_memory} of memory; ask for less, or allow more with --memory"
    )


def locked(database: Path, bounds: Bounds, into: str) -> duckdb.DuckDBPyConnection:
    """A connection that reads ``database``, writes to ``into``, and cannot be changed."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "memory_limit": f"{bounds.memory_bytes}B",
        "max_temp_directory_size": "0B",
    }
    until = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            connection = duckdb.connect(str(database), read_only=True, config=settings)
            break
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise QuestionRefused(
                    f"{database.name} cannot be opened: it is damaged or no DuckDB file; restore it from its"
                    " backup, or remove it, and make it again with: myositis run",
                    "database",
                ) from None
            if time.monotonic() > until:
                raise QuestionRefused(
                    f"{database.name}: another process is writing to it; ask again when that process has "
                    "ended, or ask the release, which can always be read",
                    "database",
                ) from None
            time.sleep(0.2)
    connection.execute(f"set allowed_paths = [{_quoted(into)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def the_one_select(query: str) -> None:
    """Refuse whatever is not one statement that reads."""
    import duckdb

    kinds = duckdb.StatementType
    statements = duckdb.extract_statements(query)
    # DuckDB makes two statements of one PIVOT; the first, of which it shows no text, is its own
    asked = [s for s in statements if not (s.type == kinds.CREATE and s.query == "")]
    if not asked:
        raise QuestionRefused("there is no query; ask for example: from release.dim_hospital", "nothing")
    if len(asked) > 1:
        raise QuestionRefused(f"found {len(asked)} statements; ask one at a time", "several")
    if asked[0].type not in (kinds.SELECT, kinds.EXPLAIN):
        raise QuestionRefused(
            f"found a statement of kind {asked[0].type.name}; only questions are answered here: SELECT, "
            "FROM, WITH, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN. To write the answer to a "
            "file: --output FILE",
            "writes",
        )


def _answer(task: dict[str, Any], out: IO[str]) -> Answered:
    """In the process that answers."""
    bounds = Bounds(**task["bounds"])
    into = task["into"] or "/dev/stdout"
    the_one_select(task["query"])
    with closing(locked(Path(task["database"]), bounds, into)) as connection:
        answer = _described(connection, task["query"]) or _related(connection, task["query"])
        if task["format"] == "table":
            return _as_table(connection, answer, bounds.rows, task["into"], out)
        if task["format"] == PAGE:
            return _as_page(connection, answer, bounds.rows, out)
        if task["format"] == "xlsx":
            return _as_workbook(answer, bounds.rows, into)
        told = Answered(None, is_cut=False)
        if bounds.rows is not None:
            answer, told = _kept(connection, answer, bounds.rows)
        answer.query(
            "asked", f"copy asked to {_quoted(into)} ({COPY_OPTIONS[task['format']]}, use_tmp_file false)"
        )
        return told


def _kept(
    connection: duckdb.DuckDBPyConnection, answer: duckdb.DuckDBPyRelation, rows: int | None
) -> tuple[duckdb.DuckDBPyRelation, Answered]:
    """The first rows of the answer. They are kept meanwhile, so that the query runs once."""
    at_most = f"limit {rows + 1}" if rows is not None else ""
    answer.query("asked", f"create temp table answer as from asked {at_most}")
    found = connection.sql("select count(*) from answer").fetchall()[0][0]
    shown = found if rows is None else min(found, rows)
    return connection.sql(f"from answer limit {shown}"), Answered(shown, is_cut=found > shown)


def _related(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation:
    import duckdb

    try:
        return connection.sql(query)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise QuestionRefused(told(connection, query, error)) from error


def _described(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation | None:
    """For `describe TABLE` each column, its type and its description, for `describe SCHEMA.TABLE.COLUMN` that
    of one; for `describe SCHEMA` each table. None for any other query, and for a table that several schemas
    have.
    """
    parts = parts_described(query)
    if not parts or len(parts) > 3:
        return None
    schema, name, column = ("", *parts, "") if len(parts) == 1 else (*parts, "")[:3]
    of_table = f"from duckdb_columns() where not internal and lower(table_name) = {_quoted(name)}"
    if schema:
        of_table += f" and lower(schema_name) = {_quoted(schema)}"
    if column:
        of_table += f" and lower(column_name) = {_quoted(column)}"
    found = connection.execute(f"select count(distinct schema_name) {of_table}").fetchall()[0][0]
    if found == 1:
        return connection.sql(
            f"select column_name, data_type, comment as description {of_table} order by column_index"
        )
    of_schema = f"where not internal and lower(schema_name) = {_quoted(name)}"
    tables = f"""
        select table_name, estimated_size as rows, comment as description from duckdb_tables() {of_schema}
        union all select view_name, null, comment from duckdb_views() {of_schema}
        order by 1"""
    if schema or found or not connection.execute(f"select count(*) from ({tables})").fetchall()[0][0]:
        return None
    return connection.sql(tables)


def _as_table(
    connection: duckdb.DuckDBPyConnection,
    answer: duckdb.DuckDBPyRelation,
    rows: int | None,
    into: str | None,
    out: IO[str],
) -> Answered:
    """Print it as DuckDB prints it."""
    first, told = _kept(connection, answer, rows)
    if into is not None:
        sys.stdout = open(into, "w", encoding="utf-8")  # noqa: SIM115  DuckDB prints to sys.stdout
    first.show(max_width=10_000, max_rows=max(told.rows or 0, 1), max_col_width=10_000)
    sys.stdout.flush()
    sys.stdout = out
    return told


def _as_page(
    connection: duckdb.DuckDBPyConnection, answer: duckdb.DuckDBPyRelation, rows: int | None, out: IO[str]
) -> Answered:
    """Columns, types and rows as JSON. Every cell is the text that DuckDB shows, cut where it is long."""
    if len(answer.columns) > PAGE_COLUMNS:
        raise QuestionRefused(
            f"the answer has {len(answer.columns):,} columns, and at most {PAGE_COLUMNS} are shown; name "
            "fewer, or write the answer to a file: --output FILE",
            "columns",
        )
    fitting = max(PAGE_CELLS // len(answer.columns), 1)
    first, told = _kept(connection, answer, fitting if rows is None else min(rows, fitting))
    texts = connection.sql(
        f"select left(columns(*)::varchar, {CELL_CHARACTERS + 1}) from answer limit {told.rows}"
    ).fetchall()
    shown = {
        "columns": first.columns,
        "types": [str(kind) for kind in first.types],
        "rows": [[_cut(text) for text in row] for row in texts],
    }
    json.dump(shown, out)
    return told


def _cut(text: str | None) -> str | None:
    return f"{text[:CELL_CHARACTERS]}…" if text and len(text) > CELL_CHARACTERS else text


def _as_workbook(answer: duckdb.DuckDBPyRelation, rows: int | None, into: str) -> Answered:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet("answer")

    def cell(value: Any) -> Any:
        if isinstance(value, str):  # a text that begins with = is no formula
            made = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value))
            made.data_type = "s"
            return made
        if value is None or isinstance(value, bool | int | float | Decimal):
            return value
        if hasattr(value, "isoformat"):
            return value.replace(tzinfo=None) if getattr(value, "tzinfo", None) else value
        return cell(str(value))

    sheet.append([cell(name) for name in answer.columns])
    at_most = XLSX_ROWS if rows is None else min(rows, XLSX_ROWS)
    written = 0
    while written < at_most and (some := answer.fetchmany(min(10_000, at_most - written))):
        for row in some:
            sheet.append([cell(value) for value in row])
        written += len(some)
    is_cut = answer.fetchone() is not None
    if is_cut and rows is None:
        raise QuestionRefused(
            f"the answer has more than {XLSX_ROWS:,} rows, which no worksheet holds; use --format parquet "
            "or csv",
            "rows",
        )
    book.save(into)
    return Answered(written, is_cut)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _refusal_of(error: Exception, bounds: Bounds) -> QuestionRefused:
    import duckdb

    if isinstance(error, QuestionRefused):
        return error
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return QuestionRefused(_too_large(bounds), "memory")
    if isinstance(error, duckdb.PermissionException):
        return QuestionRefused(
            "the query reaches for a file, an extension or the network; it is answered from the tables of "
            "this database only (from duckdb_tables() lists them). To write the answer to a file: --output "
            "FILE",
            "reaches",
        )
    is_too_large = any(
        said in str(error) for said in (os.strerror(errno.EFBIG), "EFBIG")
    )  # lxml gives the error's name in place of its text
    if bounds.file_bytes is not None and is_too_large:
        return QuestionRefused(
            f"the answer is larger than {bounds.file_bytes / GIB:g} GB; ask for fewer rows or columns", "file"
        )
    if not isinstance(error, duckdb.Error):
        raise error
    return QuestionRefused(str(error))


def main() -> None:
    die_with_parent()
    task = json.load(sys.stdin)
    tempfile.tempdir = task["passing"]
    bounds = Bounds(**task["bounds"])
    space = bounds.memory_bytes + BESIDE_THE_ENGINE
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if bounds.file_bytes is not None:  # Python ignores the signal, so that writing more is an error
        resource.setrlimit(resource.RLIMIT_FSIZE, (bounds.file_bytes, bounds.file_bytes))
    try:
        said: dict[str, Any] = asdict(_answer(task, sys.stdout))
    except Exception as error:
        refused = _refusal_of(error, bounds)
        said = {"refused": str(refused), "reason": refused.reason}
    sys.stdout.flush()
    print(json.dumps(said), file=sys.stderr, flush=True)
    os._exit(0)  # what a library says while it is taken down is no answer


if __name__ == "__main__":
    main()
