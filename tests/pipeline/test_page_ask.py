"""The page *Ask*: one query to a release, its answer on the page or as a file; whatever else is tried gets a
sentence, and the page stays up.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import duckdb
import openpyxl
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.database.asking import Bounds
from orchestration.pages import ask
from orchestration.pages.application import application
from orchestration.registry.folder import Registry, load_registry

CELL = re.compile(r"<t[dh](?: [^>]*)?>(.*?)</t[dh]>")
ANSWER = re.compile(r'id="answer"><table>(.*?)</table>', re.DOTALL)


@pytest.fixture(scope="module")
def pages(shipped_run: Registry) -> TestClient:
    app = application(lambda: load_registry(shipped_run.folder), Starlette())  # type: ignore[arg-type]
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The folder in which files are made before they are sent; nothing may stay in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def cells(text: str) -> list[str]:
    """Heads and cells of the answer, line by line."""
    found = ANSWER.search(text)
    return [unescape(cell) for cell in CELL.findall(found[1])] if found else []


def told(text: str) -> str:
    found = re.search(r'<p class="told" role="alert">(.*?)</p>', text)
    return unescape(found[1]) if found else ""


def test_an_answer_stands_on_the_page_with_its_heads(pages: TestClient) -> None:
    query = "select hospital_id, count(*) as n, null as nothing, '<b>' as mark from release.dim_patient group by 1 order by 1"
    found = pages.get("/ask", params={"sql": query})
    assert found.status_code == 200
    heads, first = cells(found.text)[:4], cells(found.text)[4:8]
    assert heads == ["hospital_id", "n", "nothing", "mark"] and int(first[1]) > 0 and first[2:] == ["", "<b>"]
    assert "<td>&lt;b&gt;</td>" in found.text and "2 rows. Take the answer" in found.text
    assert unescape(found.text).count(query) >= 1  # the query stays in its field


def test_more_rows_than_a_page_shows_are_told(pages: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "ON_THE_PAGE", Bounds(seconds=20, rows=3))
    text = pages.get("/ask", params={"sql": "from range(4)"}).text
    assert "The first 3 rows. There are more" in text
    assert cells(text) == ["range", "0", "1", "2"]
    assert "3 rows." in pages.get("/ask", params={"sql": "from range(3)"}).text


def test_a_long_cell_is_cut_and_a_wide_answer_is_not_shown(pages: TestClient) -> None:
    text = pages.get("/ask", params={"sql": "select repeat('x', 1000000) as long"}).text
    assert cells(text)[1] == "x" * 300 + "…" and len(text) < 500_000
    wide = "select " + ", ".join(f"1 as c{i}" for i in range(501))
    found = pages.get("/ask", params={"sql": wide})
    assert (found.status_code, "more than 500 columns" in told(found.text)) == (400, True)


@pytest.mark.parametrize("query", ["explain select 1", "describe release", "summarize release.dim_patient", "pivot release.dim_patient on sex using count(*)"])  # fmt: skip
def test_whatever_reads_is_answered(pages: TestClient, query: str) -> None:
    found = pages.get("/ask", params={"sql": query})
    assert found.status_code == 200 and len(cells(found.text)) > 2


def test_tables_and_columns_stand_beside_with_what_they_mean(pages: TestClient) -> None:
    text = pages.get("/ask").text
    assert text.count("<summary><code>release.") > 10 and "<summary><code>results.study</code>" in text
    assert '<dt><code>value_canonical</code></dt><dd lang="en">' in text
    about = re.search(r'<code>release.fct_visit</code></summary>\s*<p><span lang="en">(.+?)</span>', text)
    assert about and about[1].strip().endswith(".")


def test_every_question_of_the_guide_is_a_button_and_is_answered(pages: TestClient) -> None:
    assert len(ask.prepared()) == 20
    text = unescape(pages.get("/ask").text)
    for one in ask.prepared():
        assert one.title in text and one.text and not one.text.startswith("#")
    one = ask.prepared()[0]
    answer = pages.get("/ask", params={"sql": one.query}).text
    assert f"<h2>{one.title}</h2>" in answer and len(cells(answer)) > 4


def test_the_page_works_without_the_guide(pages: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "GUIDE", Path("/nowhere/sql-questions.md"))
    ask.prepared.cache_clear()
    text = pages.get("/ask").text
    ask.prepared.cache_clear()
    assert "Questions to begin with" not in text and 'name="sql"' in text


def test_an_answer_leaves_as_csv_xlsx_and_parquet(
    pages: TestClient, places: Path, shipped_run: Registry
) -> None:
    query = "select 1 as n, '=1+1' as said union all select 2, 'β, \"x\"' order by n"
    found = {form: pages.get(f"/ask/answer.{form}", params={"sql": query}) for form in ask.FILES}
    assert list(csv.reader(io.StringIO(found["csv"].text))) == [["n", "said"], ["1", "=1+1"], ["2", 'β, "x"']]
    sheet = openpyxl.load_workbook(io.BytesIO(found["xlsx"].content))["answer"]
    assert [cell.data_type for cell in sheet[2]] == ["n", "s"]
    (places / "kept.parquet").write_bytes(found["parquet"].content)
    with duckdb.connect() as connection:
        rows = connection.execute(f"from '{places / 'kept.parquet'}'").fetchall()
    (places / "kept.parquet").unlink()
    assert rows == [(1, "=1+1"), (2, 'β, "x"')]
    for form, answer in found.items():
        assert re.search(
            rf'attachment; filename="answer-r\w+\.{form}"', answer.headers["content-disposition"]
        )


def test_a_file_holds_every_row(pages: TestClient, places: Path) -> None:
    text = pages.get("/ask/answer.csv", params={"sql": "from range(1000)"}).text
    assert len(text.splitlines()) == 1001


REACHES = "reaches for a file, an extension or the network"
WRITES = "Only questions are answered here"
ENGINE = "cannot answer this query as it is written"
ATTACKS = {
    "delete from release.dim_patient": WRITES,
    "create table t as select 1": WRITES,
    "copy (select 1) to '{folder}/stolen.csv'": WRITES,
    "copy release.dim_patient to '/dev/stdout'": WRITES,
    "export database '{folder}/all'": WRITES,
    "attach '{folder}/other.duckdb'": WRITES,
    "set threads = 1": WRITES,
    "set enable_external_access = true": WRITES,
    "pragma enable_profiling": WRITES,
    "install httpfs": WRITES,
    "load httpfs": WRITES,
    "use release": WRITES,
    "select 1; select 2": "several statements",
    "select 1; drop table release.dim_patient": "several statements",
    "from read_text('/etc/passwd')": REACHES,
    "from read_csv('/etc/passwd')": REACHES,
    "from read_parquet('https://example.org/a.parquet')": REACHES,
    "from glob('/*')": REACHES,
    "from '{folder}/other.duckdb'": REACHES,
    "from '/etc/passwd'": ENGINE,
    "select getenv('HOME')": ENGINE,
    "explain analyze copy (select 1) to '{folder}/stolen.csv'": REACHES,
    "": "There is no query",
    " -- nothing": "There is no query",
    "select 1 from \0": ENGINE,
    "from release.no_such_table": ENGINE,
    "selct 1": ENGINE,
    "from database": ENGINE,
}


@pytest.mark.parametrize("query", ATTACKS)
def test_an_attack_is_refused_with_a_sentence_and_the_page_stays_up(
    pages: TestClient, places: Path, query: str
) -> None:
    asked = query.format(folder=places)
    for address in ("/ask", "/ask/answer.csv"):
        found = pages.get(address, params={"sql": asked})
        assert found.status_code == 400 and ATTACKS[query] in told(found.text), (address, told(found.text))
        assert "root:" not in found.text and 'name="sql"' in found.text
        assert not cells(found.text)
    assert pages.get("/ask", params={"sql": "select 42 as n"}).status_code == 200


def test_an_unknown_table_is_told_with_the_name_that_comes_close(pages: TestClient) -> None:
    text = unescape(pages.get("/ask", params={"sql": "from release.dim_patients"}).text)
    assert 'table "dim_patients" does not exist' in text and 'Did you mean "release.dim_patient"' in text


@pytest.mark.parametrize(
    ("bounds", "query", "sentence"),
    [
        ({"seconds": 1.5}, "select count(*) from range(1000000000) a, range(1000000000) b", "took more than 1.5 seconds"),
        ({"seconds": 1.5}, "select levenshtein(repeat('a', 1000000), repeat('b', 1000000))", "took more than 1.5 seconds"),
        ({"memory_bytes": 64 << 20}, "select list(range) from range(1000000000)", "needs more than 0.0625 GB"),
    ],
)  # fmt: skip
def test_a_question_without_end_or_measure_is_stopped(
    pages: TestClient, monkeypatch: pytest.MonkeyPatch, bounds: dict[str, float], query: str, sentence: str
) -> None:
    monkeypatch.setattr(ask, "ON_THE_PAGE", replace(ask.ON_THE_PAGE, **bounds))  # type: ignore[arg-type]
    found = pages.get("/ask", params={"sql": query})
    assert found.status_code == 400 and sentence in told(found.text)
    assert pages.get("/ask").status_code == 200


@pytest.mark.parametrize("form", list(ask.FILES))
def test_a_file_without_measure_is_stopped_and_nothing_of_it_stays(
    pages: TestClient, places: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(ask, "IN_A_FILE", Bounds(seconds=30, file_bytes=100_000))
    query = "select range, hash(range) as text from range(200000)"
    found = pages.get(f"/ask/answer.{form}", params={"sql": query})
    assert found.status_code == 400 and "The answer is larger than" in told(found.text), told(found.text)


def test_who_waits_too_long_is_told(pages: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "PATIENCE_SECONDS", 0.01)
    for _ in range(ask.AT_ONCE):
        ask._places.acquire()
    try:
        found = pages.get("/ask", params={"sql": "select 1"})
    finally:
        for _ in range(ask.AT_ONCE):
            ask._places.release()
    assert found.status_code == 503 and "ask again in a minute" in told(found.text)


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/ask/answer.exe?sql=select+1", 404, "CSV, XLSX, Parquet"),
        ("/ask/answer.csv", 400, "There is no query"),
        ("/ask?sql=select+1&release=../../etc", 404, "There is no release of this name"),
        ("/ask?sql=%ff%fe", 400, ENGINE),
        ("/ask/", 404, ""),
    ],
)
def test_an_address_made_by_hand_gets_a_sentence(
    pages: TestClient, address: str, status: int, sentence: str
) -> None:
    found = pages.get(address, follow_redirects=False)
    assert found.status_code == status or (address == "/ask/" and found.status_code == 307)
    assert sentence in told(found.text)


def test_a_damaged_release_gets_a_sentence(shipped_run: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    for name in ("hospitals", "studies", "published", "release"):
        shutil.copytree(shipped_run.folder / name, folder / name, symlinks=True)
    shutil.copy(shipped_run.folder / "registry.yml", folder)
    file = (folder / "release" / "current.duckdb").resolve()
    file.chmod(0o600)
    file.write_bytes(b"damaged")
    app = application(lambda: load_registry(folder), Starlette())  # type: ignore[arg-type]
    found = TestClient(app, raise_server_exceptions=False).get("/ask", params={"sql": "select 1"})
    assert found.status_code == 503 and "its file is damaged" in told(found.text)
