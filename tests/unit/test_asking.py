"""A question reads one database within bounds; whatever else it tries is refused with a sentence."""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import openpyxl
import pytest

from orchestration.command import sql as command
from orchestration.database.asking import (
    Answered,
    Bounds,
    Question,
    QuestionRefused,
    ask,
    ask_into,
    locked,
    the_one_select,
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asked") / "asked.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema release")
        connection.execute(
            "create table release.fct_visit as"
            " select i::int as n, '=1+1' as said, date '2020-01-01' + i::int as visit_date,"
            " i::decimal(5, 1) / 2 as score, i % 2 = 0 as is_even, null::int as missing from range(5) t (i)"
        )
        connection.execute("comment on column release.fct_visit.score is 'CMAS, 0 to 52'")
        connection.execute("comment on table release.fct_visit is 'Visits.'")
        connection.execute("create view release.first_visit as from release.fct_visit where n = 0")
    return path


def asked(database: Path, query: str, form: str = "csv", **bounds: float | int | None) -> str:
    pieces: list[bytes] = []
    ask(Question(database, query, form, Bounds(**bounds)), pieces.append)  # type: ignore[arg-type]
    return b"".join(pieces).decode()


def refusal(database: Path, query: str, **bounds: float | int) -> str:
    with pytest.raises(QuestionRefused) as refused:
        asked(database, query, **bounds)
    return str(refused.value)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("select n from release.fct_visit where n > 3 -- a comment", "n\n4\n"),
        ("with a as (select 1 as x) from a;", "x\n1\n"),
        ("values (1)", "col0\n1\n"),
        ("pivot release.fct_visit on is_even using count(*)", None),
        ("summarize release.fct_visit", None),
        ("show all tables", None),
        ("explain select 1", None),
        ("from duckdb_tables()", None),
    ],
)
def test_whatever_reads_is_answered(database: Path, query: str, answer: str | None) -> None:
    found = asked(database, query)
    assert found == answer if answer else found.count("\n") > 1


FILES = "reaches for a file, an extension or the network"
WRITES = "only questions are answered here"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("copy (select 1) to '{folder}/stolen.csv'", WRITES),
        ("attach '{folder}/other.duckdb'", WRITES),
        ("detach release", WRITES),
        ("install httpfs", WRITES),
        ("load httpfs", WRITES),
        ("set threads = 1", WRITES),
        ("set variable x = 1", WRITES),
        ("reset threads", WRITES),
        ("pragma enable_profiling", WRITES),
        ("create temp table t as select 1", WRITES),
        ("create temp macro f(a) as a", WRITES),
        ("delete from release.fct_visit", WRITES),
        ("drop table release.fct_visit", WRITES),
        ("export database '{folder}/all'", WRITES),
        ("checkpoint", WRITES),
        ("prepare v as select 1", WRITES),
        ("use release", WRITES),
        ("call pragma_version()", WRITES),
        ("begin", WRITES),
        ("select 1; select 2", "found 2 statements"),
        ("select 1; copy (select 1) to '{folder}/stolen.csv'", "found 2 statements"),
        ("", "there is no query"),
        ("-- nothing", "there is no query"),
    ],
)
def test_whatever_is_no_single_question_is_not_asked(query: str, told: str) -> None:
    with pytest.raises(QuestionRefused, match=told):
        the_one_select(query)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("delete from release.fct_visit", WRITES),
        ("select * from read_text('/etc/passwd')", FILES),
        ("select * from read_csv('/etc/passwd')", FILES),
        ("select * from glob('/*')", FILES),
        ("select * from sniff_csv('/etc/passwd')", FILES),
        ("select * from read_parquet('https://example.org/a.parquet')", FILES),
        ("from '/etc/passwd'", "does not exist"),
        ("from '{folder}/other.duckdb'", FILES),
        ("from duckdb_secrets()", FILES),
        ("select getenv('HOME')", "does not exist"),
        ("describe release.fct_visits", "Did you mean"),
        ("from database", "does not exist"),  # a name of Python's
        ("explain analyze copy (select 1) to '{folder}/stolen.csv'", FILES),
        ("selct 1", "syntax error"),
    ],
)
def test_whatever_does_more_is_refused(database: Path, query: str, told: str) -> None:
    assert told in refusal(database, query.format(folder=database.parent))
    assert [p.name for p in database.parent.iterdir()] == ["asked.duckdb"]


@pytest.mark.parametrize(
    "statement", ["copy (select 1) to '{folder}/a.csv'", "attach '{folder}/b.duckdb'", "set threads = 1"]
)
def test_the_lock_holds_without_the_look_at_the_statement(database: Path, statement: str) -> None:
    with closing(locked(database, Bounds(), "/dev/stdout")) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(folder=database.parent))


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from range(1000000000) a, range(1000000000) b",
        "with recursive t as (select 1 as a union all select a + 1 from t) select count(*) from t",
        "select levenshtein(repeat('a', 1000000), repeat('b', 1000000))",  # cannot be interrupted
    ],
)
def test_a_question_without_end_is_stopped_at_its_bound(database: Path, query: str) -> None:
    started = time.monotonic()
    assert "took more than 1 s and was stopped" in refusal(database, query, seconds=1)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "query", ["select list(range) from range(1000000000)", "select length(repeat('x', 4000000000))"]
)
def test_a_question_without_measure_is_stopped_at_its_memory(database: Path, query: str) -> None:
    assert "needs more than 0.0625 GB of memory" in refusal(database, query, memory_bytes=64 << 20)


def test_a_table_on_the_screen_says_that_there_is_more(database: Path) -> None:
    pieces: list[bytes] = []
    question = Question(database, "select n from release.fct_visit order by n", "table", Bounds(rows=2))
    assert ask(question, pieces.append) == Answered(2, is_cut=True)
    text = b"".join(pieces).decode()
    assert "│     1 │" in text and "│     2 │" not in text


@pytest.mark.parametrize(
    ("query", "pager", "paged"),
    [
        ("from range(30)", True, True),
        ("select repeat('x', 90) as wide", True, True),
        ("from range(3)", True, False),
        ("from range(30)", False, False),
    ],
)
def test_a_table_larger_than_the_screen_is_shown_page_by_page(
    database: Path,
    query: str,
    pager: bool,
    paged: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 24)))
    monkeypatch.setattr("pydoc.pager", shown.append)
    monkeypatch.delenv("LESS", raising=False)
    command.answer(database, query, command.Wanted(None, None, None, 60, "1GB", pager))
    assert (bool(shown), bool(capsys.readouterr().out)) == (paged, not paged)
    assert os.environ.pop("LESS", None) == ("-SRX" if paged else None)


def test_describe_shows_what_a_column_is_and_means(database: Path) -> None:
    rows = json.loads(asked(database, "describe release.fct_visit", "json"))
    assert rows[3]["description"] == "CMAS, 0 to 52" and rows[3]["data_type"] == "DOUBLE"
    assert list(rows[0]) == ["column_name", "data_type", "description"]


def test_describe_finds_a_table_without_its_schema_and_lists_the_tables_of_a_schema(database: Path) -> None:
    assert asked(database, "DESCRIBE fct_visit;") == asked(database, 'describe "release"."FCT_VISIT"')
    assert (
        asked(database, "describe release")
        == "table_name,rows,description\nfct_visit,5,Visits.\nfirst_visit,,\n"
    )
    assert "no_such_table" in refusal(database, "describe no_such_table")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("describe release.nothing", 'table "nothing" does not exist in schema release. "describe release" lists its tables'),
        ("from release.nothing", 'table "nothing" does not exist in schema release. "describe release" lists its tables'),
        ("desc release.fct_visits;", 'table "fct_visits" does not exist in schema release. Did you mean "release.fct_visit"? "describe release" lists'),
        ("describe relase", '"relase" does not exist, neither as a schema nor as a table. Did you mean "release"? The schemas are release; "describe release" lists the tables of one'),
        ("from fct_vist", 'Did you mean "release.fct_visit"? The schemas are release'),
        ("describe nosuch.fct_visit", 'schema "nosuch" does not exist. The schemas are release; "describe release" lists'),
        ("describe release.fct_visit.scor", 'column "scor" does not exist in release.fct_visit. Did you mean "score"? "describe release.fct_visit" lists its columns'),
        ("select nope from release.fct_visit", '"describe release.fct_visit" lists the columns'),
    ],
)  # fmt: skip
def test_an_unknown_name_is_told_with_where_the_known_ones_are_listed(
    database: Path, query: str, said: str
) -> None:
    assert said in refusal(database, query)


def test_describe_shows_one_column(database: Path) -> None:
    one = json.loads(asked(database, "describe release.fct_visit.SCORE", "json"))
    assert [(r["column_name"], r["description"]) for r in one] == [("score", "CMAS, 0 to 52")]


def test_a_description_leaves_as_a_workbook_with_its_first_column(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "columns.xlsx"
    assert ask_into(Question(database, "describe release.fct_visit", "xlsx"), path).rows == 6
    header, first, *_ = openpyxl.load_workbook(path)["answer"].iter_rows(values_only=True)
    assert (header[0], first[0]) == ("column_name", "n")


def test_a_workbook_holds_numbers_as_numbers_and_texts_as_texts(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "answer.xlsx"
    query = "select n, said, visit_date, 1.5::decimal(3, 1) as d, is_even, missing, [1] as l from release.fct_visit"
    assert ask_into(Question(database, query, "xlsx"), path) == Answered(5, is_cut=False)
    header, first, *_ = openpyxl.load_workbook(path)["answer"].iter_rows()
    assert [c.value for c in header] == ["n", "said", "visit_date", "d", "is_even", "missing", "l"]
    assert [c.data_type for c in first][:2] == ["n", "s"]
    assert [c.value for c in first][3:] == [1.5, True, None, "[1]"]
    assert first[2].value.date() == date(2020, 1, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet", "xlsx"])
def test_a_limit_tells_that_there_is_more_in_every_form(database: Path, tmp_path: Path, form: str) -> None:
    def told(rows: int) -> Answered:
        question = Question(database, "from release.fct_visit", form, Bounds(rows=rows))
        return ask_into(question, tmp_path / f"answer.{form}")

    assert (told(2), told(5)) == (Answered(2, is_cut=True), Answered(5, is_cut=False))


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_file_holds_the_whole_answer(database: Path, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"answer.{form}"
    assert ask_into(Question(database, "from release.fct_visit", form), path) == Answered(None, is_cut=False)
    assert duckdb.sql(f"select sum(score) from '{path}'").fetchall()[0][0] == 5.0
    assert os.listdir(tmp_path) == [path.name]


def test_a_refused_question_leaves_the_file_that_was_there(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "answer.csv"
    path.write_text("kept")
    with pytest.raises(QuestionRefused, match="no_such_table"):
        ask_into(Question(database, "from release.no_such_table", "csv"), path)
    assert path.read_text() == "kept" and os.listdir(tmp_path) == ["answer.csv"]


def test_a_damaged_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "asked.duckdb"
    path.write_text("no database")
    told = refusal(path, "select 1")
    assert (
        "asked.duckdb cannot be opened" in told and "remove it, and make it again with: myositis run" in told
    )


def test_a_file_is_not_written_in_another_format_than_its_name_says(database: Path, tmp_path: Path) -> None:
    wanted = command.Wanted("csv", tmp_path / "rates.xlsx", None, 60, "1GB")
    with pytest.raises(QuestionRefused, match=r"leave out --format, or name the file rates\.csv"):
        command.answer(database, "select 1 as a", wanted)
    assert not (tmp_path / "rates.xlsx").exists()
    command.answer(database, "select 1 as a", replace(wanted, output=tmp_path / "rates.txt"))
    assert (tmp_path / "rates.txt").read_text() == "a\n1\n"
