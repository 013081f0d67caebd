"""Delimited text: what arrives is what was written, with its row; what cannot be split is a rejected line."""

from __future__ import annotations

import duckdb
import pytest

from orchestration.exports import ExportFault, ReadSpec, open_tables


@pytest.fixture
def read(tmp_path):
    """Rows of the one table in a file with these bytes, and its malformed lines as (row, rule)."""

    def reading(content: bytes | str, name: str = "labs.csv", **spec):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        workdir = tmp_path / "work"
        workdir.mkdir(exist_ok=True)
        connection = duckdb.connect()
        [table] = open_tables(path, ReadSpec(**spec), workdir)
        rows = connection.sql(f"select * from ({table.relation}) order by source_row").fetchall()
        assert table.rows == len(rows)
        return table, rows

    return reading


def test_cells_are_the_text_that_arrived_and_blank_ones_are_null(read):
    table, rows = read('id,result,unit\n1,<0.10,"mg/L"\n2,,""\n3, 5 ,"a, ""b"""\n')
    assert table.columns == ("id", "result", "unit")
    assert rows == [(2, "1", "<0.10", "mg/L"), (3, "2", None, None), (4, "3", " 5 ", 'a, "b"')]


@pytest.mark.parametrize(
    "delimiter", [",", ";", "\t", "|", "^"], ids=["comma", "semicolon", "tab", "pipe", "caret"]
)
def test_delimiter_is_found(read, delimiter):
    lines = [delimiter.join(row) for row in (["id", "CK", "date"], ["1", "1,5", "2020-01-02"], ["2", "", ""])]
    if delimiter == ",":
        lines[1] = lines[1].replace("1,5", '"1,5"')
    _, rows = read("\n".join(lines))
    assert rows == [(2, "1", "1,5", "2020-01-02"), (3, "2", None, None)]


def test_row_numbers_count_blank_lines_and_malformed_ones(read):
    table, rows = read("id,CK\n1,10\n\n2,20\n3,30,x\n,\n4,40\n\n\n")
    assert rows == [(2, "1", "10"), (4, "2", "20"), (7, "4", "40")]
    assert [(m.source_row, m.rule, m.text) for m in table.malformed] == [(5, "wrong_field_count", "3,30,x")]
    assert table.rows_in == 4


def test_line_ends_inside_a_cell_do_not_count_as_rows(read):
    _, rows = read('id,note\r\n1,"first\nsecond"\r\n2,x\r\n')
    assert rows == [(2, "1", "first\nsecond"), (3, "2", "x")]


def test_one_lost_quote_does_not_swallow_the_rest(read):
    table, rows = read('id,note\n1,a\n2,"b\n3,c\n4,"d, e"\n')
    assert [row[0] for row in rows] == [2, 4, 5]
    assert [(m.source_row, m.rule) for m in table.malformed] == [(3, "unclosed_quote")]


def test_quotes_inside_plain_text_are_text(read):
    _, rows = read('id,note\n1,5" scar\n2,"said ""no"""\n')
    assert rows == [(2, "1", '5" scar'), (3, "2", 'said "no"')]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_every_kind_of_line_end(read, line_end):
    _, rows = read(line_end.join(["id,CK", "1,10", "2,"]) + line_end)
    assert rows == [(2, "1", "10"), (3, "2", None)]


def test_mixed_line_ends_are_line_ends(read):
    _, rows = read("id,CK\r\n1,10\n2,20\r3,30\r\n")
    assert rows == [(2, "1", "10"), (3, "2", "20"), (4, "3", "30")]


def test_rows_above_the_header_are_skipped_and_counted(read):
    table, rows = read("Laboratory\nprinted 2024-01-02\n\nid,CK\n1,10\n", skip_rows=2)
    assert table.columns == ("id", "CK")
    assert rows == [(5, "1", "10")]


def test_two_header_rows_are_joined(read):
    table, rows = read("id,CK,,LDH\n,value,unit,value\n1,10,U/L,20\n", header_rows=2)
    assert table.columns == ("id", "CK / value", "CK / unit", "LDH / value")
    assert rows == [(3, "1", "10", "U/L", "20")]


def test_no_header_row_numbers_the_columns(read):
    table, rows = read("1,10\n2,20\n", header_rows=0)
    assert table.columns == ("column_1", "column_2")
    assert rows == [(1, "1", "10"), (2, "2", "20")]


def test_named_columns_are_filled_down(read):
    _, rows = read("id,CK\n1,10\n,20\n2,\n,40\n", fill_down=["id"])
    assert rows == [(2, "1", "10"), (3, "1", "20"), (4, "2", None), (5, "2", "40")]


def test_a_line_that_names_the_separator_is_understood(read):
    _, rows = read("sep=;\nid;CK\n1;10\n")
    assert rows == [(3, "1", "10")]


def test_nameless_columns_without_cells_at_the_right_edge_are_no_columns(read):
    table, rows = read("id,CK,,\n1,10,,\n")
    assert table.columns == ("id", "CK")
    assert rows == [(2, "1", "10")]


def test_a_nameless_first_column_alone_is_the_row_numbers_that_r_and_pandas_write(read):
    table, rows = read('"","id","CK"\n"1",7,10\n"2",8,20\n')
    assert table.columns == ("column_1", "id", "CK")
    assert rows == [(2, "1", "7", "10"), (3, "2", "8", "20")]


def test_columns_alike_are_told_apart_by_their_place(read):
    table, _ = read("id,CK,Complete?,CK,Complete?\n1,2,3,4,5\n")
    assert table.columns == (
        "id",
        "CK [1]",
        "Complete? [1]",
        "CK [2]",
        "Complete? [2]",
    )


@pytest.mark.parametrize(
    ("content", "rule", "row"),
    [
        ("", "empty_file", None),
        ("\n\n", "empty_file", None),
        ("id,CK\n", "no_rows", 2),
        ("id,CK,CK,CK [2]\n1,2,3,4\n", "duplicate_header", 1),
        ("id,,CK\n1,2,3\n", "unnamed_column", 1),
        ("id,CK,\n1,2,3\n", "unnamed_column", 1),
        (",,CK\n1,2,3\n", "unnamed_column", 1),
        ("id,CK\n1,2\n2,\0\n", "nul_bytes", 3),
    ],
    ids=[
        "empty",
        "blank",
        "header only",
        "named as one of two alike",
        "nameless",
        "nameless with cells",
        "two nameless",
        "NUL",
    ],
)
def test_what_is_no_table_is_refused_with_its_place(read, content, rule, row):
    with pytest.raises(ExportFault) as refused:
        read(content)
    assert (refused.value.rule, refused.value.file, refused.value.row) == (rule, "labs.csv", row)


def test_long_numbers_that_a_spreadsheet_has_cut_are_told(read):
    table, rows = read("identity,load\n3.20102E+17,1.2E+06\n3.20103E+17,20\n")
    assert rows == [(2, "3.20102E+17", "1.2E+06"), (3, "3.20103E+17", "20")]
    assert [(f.rule, f.column, f.count, f.first_row) for f in table.findings] == [
        ("digits_lost", "identity", 2, 2)
    ]


def test_loading_gives_what_the_relation_gives_of_the_columns_asked_for(read, tmp_path):
    table, _ = read("id,CK,unit\n1,10,U/L\n\n2,20\n3,30,U/L\n")
    connection = duckdb.connect()
    table.load(connection, "incoming", ["id", "unit"])
    incoming = connection.sql("select * from incoming order by source_row")
    assert (incoming.columns, incoming.fetchall()) == (
        ["source_row", "c0", "c2"],
        [(2, "1", "U/L"), (5, "3", "U/L")],
    )
    table.unload(connection, "incoming")
    assert connection.sql("select count(*) from duckdb_tables()").fetchone() == (0,)
