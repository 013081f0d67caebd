"""Laws of the readers, over tables that hypothesis makes: what loads is what was written; what does not is
refused with its place."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

import duckdb
import openpyxl
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestration.exports import ExportFault, ReadSpec, open_tables
from orchestration.exports.columns import is_blank
from orchestration.exports.damage import damage_in
from orchestration.exports.sheet import SheetRows
from orchestration.exports.workbook import read_workbook

CONNECTION = duckdb.connect()
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Cn")), max_size=8)
AWKWARD = st.text("a1,;\t|\"'\n\r \\é肌", max_size=6)
CELL = st.one_of(PLAIN, AWKWARD, st.sampled_from(["", "<0.10", "1,5", '5"', "NULL", "#N/A", "\\N"]))


def tables(cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    return st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=12)
    )


def read(content: bytes, name: str = "labs.csv", piece: int = 4096, **spec) -> tuple[list[tuple], list]:
    """All rows as (source_row, cells), and the malformed lines; the law of rows holds on the way.

    ``piece`` is how many bytes the scan looks at at once.
    """
    with tempfile.TemporaryDirectory() as folder, patch("orchestration.exports.survey.CHUNK_BYTES", piece):
        path = Path(folder) / name
        path.write_bytes(content)
        connection = CONNECTION
        [table] = open_tables(path, ReadSpec(**spec), Path(folder))
        rows = connection.sql(f"select * from ({table.relation}) order by source_row").fetchall()
        assert len(rows) == table.rows
        table.load(connection, "loaded")
        assert connection.sql("select * from loaded order by source_row").fetchall() == rows
        return rows, table.malformed


def kept(rows: list[list[str]], first_row: int = 2) -> list[tuple]:
    """What must arrive: rows with any text that is seen, numbered as they lie in the file, blank cells as
    None.
    """
    return [
        (first_row + i, *(cell or None for cell in row)) for i, row in enumerate(rows) if not is_blank(row)
    ]


@QUICK
@given(
    rows=tables(CELL),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ends=st.booleans(),
    piece=st.integers(1, 40),
)
@example([["\u00a0"], ["a"]], ",", "\n", csv.QUOTE_MINIMAL, True, 4096)
@example([["\u3000", " "], ["a", "\u00a0"]], ",", "\r\n", csv.QUOTE_ALL, True, 4096)
def test_a_table_written_as_csv_arrives_as_it_was(rows, delimiter, line_end, quoting, ends, piece):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n", quoting=quoting)
    writer.writerows([[f"h{i}" for i in range(len(rows[0]))], *rows])
    text = out.getvalue()
    if line_end == "\n" and not any("\r" in cell or "\n" in cell for row in rows for cell in row):
        text = text.replace("\r\n", "\n")
    content = (text if ends else text.rstrip("\r\n")).encode()
    expected = kept(rows)
    try:
        arrived, malformed = read(content, delimiter=delimiter, piece=piece)
    except ExportFault as fault:
        assert fault.rule == "mostly_malformed" if expected else fault.rule == "no_rows"
        assert all(damage_in("\t".join(filter(None, row[1:]))) for row in expected)
        return
    damaged = {line.source_row for line in malformed}
    assert arrived == [row for row in expected if row[0] not in damaged]
    assert all(line.rule in ("double_encoded", "replacement_character", "utf7_text") for line in malformed)


@QUICK
@given(body=st.text('a1,"\n\r;', min_size=1, max_size=60), piece=st.integers(1, 40))
def test_any_text_is_loaded_or_refused_with_a_place_and_no_row_is_lost(body, piece):
    try:
        arrived, malformed = read(f"x,y\n{body}".encode(), delimiter=",", piece=piece)
    except ExportFault as fault:
        assert fault.file == "labs.csv" and fault.row is not None
        return
    numbers = [row[0] for row in arrived] + [line.source_row for line in malformed]
    assert len(set(numbers)) == len(numbers)
    assert all(number >= 2 for number in numbers)
    letters = sum(text.count("a") + text.count("1") for row in arrived for text in row[1:] if text)
    letters += sum(line.text.count("a") + line.text.count("1") for line in malformed)
    assert letters == body.count("a") + body.count("1")


@settings(QUICK, max_examples=30)
@given(rows=tables(PLAIN), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]))
def test_a_stated_encoding_gives_the_text_that_was_encoded(rows, encoding):
    if all(is_blank(row) for row in rows):
        return
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([[f"h{i}" for i in range(len(rows[0]))], *rows])
    try:
        arrived, malformed = read(out.getvalue().encode(encoding), encoding=encoding, delimiter=",")
    except ExportFault as fault:
        assert fault.rule == "mostly_malformed"
        assert all(damage_in("\t".join(row)) for row in rows if not is_blank(row))
        return
    damaged = {line.source_row for line in malformed}
    assert arrived == [row for row in kept(rows) if row[0] not in damaged]


SEEN = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=8),
    st.sampled_from(["a\nb", "=1+1", "_x000D_", " ", "007", "#N/A"]),
    st.integers(-(10**14), 10**14),
    st.floats(-1e9, 1e9).map(lambda number: round(number, 6)),
    st.booleans(),
)


@settings(QUICK, max_examples=40)
@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(SEEN, min_size=width, max_size=width), min_size=1, max_size=8)
    )
)
@example([["\u00a0"], ["a"]])  # issue 14: one column, and in its cell a non-breaking blank alone
def test_a_table_written_as_a_worksheet_arrives_as_a_person_sees_it(rows):
    """The worker's own function is called, for a process per example would take most of the time."""
    book = openpyxl.Workbook()
    for i, row in enumerate([[f"h{i}" for i in range(len(rows[0]))], *rows]):
        for j, value in enumerate(row):
            cell = book.active.cell(i + 1, j + 1, value)
            if isinstance(value, str):
                cell.data_type = "s"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labs.xlsx"
        book.save(path)
        options = asdict(ReadSpec(damaged_text="keep").grid())
        [sheet] = map(SheetRows.from_json, read_workbook(str(path), "xlsx", options, folder))
        relation = sheet.written.relation(len(rows[0]))
        arrived = CONNECTION.sql(f"select * from ({relation}) order by source_row").fetchall()
    # a cell of blanks alone arrives as its blanks, or as nothing where the file does not keep them
    arrived = [tuple(None if isinstance(c, str) and c.isspace() else c for c in row) for row in arrived]
    assert arrived == kept([[seen(value) for value in row] for row in rows])


ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # how a workbook writes a character that XML has no place for


def seen(value) -> str:
    """What a spreadsheet shows of a value, by another way than the reader's."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        shown = ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
        return "" if shown.isspace() else shown
    text = repr(value)
    return text.removesuffix(".0") if "e" not in text else text


BLANK = st.text(" \u00a0\u3000\u200b\t", max_size=3)


@settings(QUICK, max_examples=20)
@given(rows=tables(st.one_of(BLANK, st.sampled_from(["CK", "<0.10"]))))
@example([["\u00a0"], ["CK"]])
def test_a_row_of_blanks_alone_is_no_record_in_any_format(rows):
    """Blank, non-breaking and wide: the rows that arrive are the same from CSV, a workbook, a page, Parquet
    and NDJSON.
    """
    wanted = [i for i, row in enumerate(rows) if not is_blank(row)]
    names = [f"h{i}" for i in range(len(rows[0]))]
    book = openpyxl.Workbook()
    for row in [names, *rows]:
        book.active.append(row)
    saved, text = io.BytesIO(), io.StringIO(newline="")
    book.save(saved)
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    page = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in [names, *rows])
    lines = "\n".join(json.dumps(dict(zip(names, row))) for row in rows)
    files = {
        "labs.csv": text.getvalue().encode(),
        "labs.xlsx": saved.getvalue(),
        "labs.xls": f"<table>{page}</table>".encode(),
        "labs.ndjson": lines.encode(),
        "labs.parquet": _parquet(names, rows),
    }
    for name, content in files.items():
        first = 1 if name.endswith(("ndjson", "parquet")) else 2
        try:
            arrived, malformed = read(content, name, **({"delimiter": ","} if name.endswith("csv") else {}))
        except ExportFault as fault:
            assert (fault.rule, wanted) in (("no_rows", []), ("empty_file", []), ("no_header", [])), name
            continue
        assert ([row[0] - first for row in arrived], malformed) == (wanted, []), name


def _parquet(names: list[str], rows: list[list[str]]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labs.parquet"
        values = ", ".join(
            "(" + ", ".join("'" + cell.replace("'", "''") + "'" for cell in row) + ")" for row in rows
        )
        CONNECTION.execute(
            f"copy (select * from (values {values}) as t({', '.join(names)})) to '{path}' (format parquet)"
        )
        return path.read_bytes()
