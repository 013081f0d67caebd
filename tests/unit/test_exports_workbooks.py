"""Worksheets: what a person sees in a cell is the text that arrives, and its row is the sheet's row."""

from __future__ import annotations

import datetime as dt
import zipfile
from dataclasses import replace
from pathlib import Path

import duckdb
import openpyxl
import pytest

from orchestration.exports import ExportFault, ReadSpec, left_unread, open_tables, xlsb_cells
from orchestration.exports.cells import cell_text
from orchestration.exports.grid import GridSpec
from orchestration.exports.sheet import write_sheet

SAMPLES = Path(__file__).parent / "exports_samples"
TONGJI = Path(__file__).parents[1] / "mappings/tongji/landing/tongji/2020-02/time_series_375_prerpocess.xlsx"
CONNECTION = duckdb.connect()
PLAIN = GridSpec(
    sheet=None, skip_rows=0, header_rows=1, transposed=False, encoding=None, damaged_text="reject"
)


def rows_of(table) -> list[tuple]:
    return CONNECTION.sql(f"select * from ({table.relation}) order by source_row").fetchall()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (31.33, "31.33"),
        (1e-07, "1e-07"),
        (123456789012.0, "123456789012"),
        (True, "TRUE"),
        ("  as typed ", "  as typed "),
        (dt.date(2020, 2, 29), "2020-02-29"),
        (dt.datetime(2020, 2, 29), "2020-02-29"),
        (dt.datetime(2020, 2, 29, 13, 5), "2020-02-29 13:05:00"),
        (dt.datetime(2020, 2, 29, 13, 4, 59, 999_999), "2020-02-29 13:05:00"),
        (dt.datetime(2020, 2, 29, 23, 59, 59, 999_999), "2020-03-01"),
        (dt.datetime(2020, 2, 29, 13, 5, 0, 250_000), "2020-02-29 13:05:00.250"),
        (dt.time(13, 5), "13:05:00"),
        (dt.timedelta(hours=30), "30:00:00"),
        (-dt.timedelta(minutes=90), "-1:30:00"),
        (float("nan"), ""),
    ],
)
def test_a_cell_is_the_text_that_a_person_sees(value, text):
    assert cell_text(value) == text


def test_a_number_is_written_with_the_decimal_mark_of_its_table_and_a_text_as_it_is(tmp_path):
    """Else 1.234, a number and a quarter, would be read as a text of 1234 where the mapping says `decimal:
    ","`.
    """
    book = openpyxl.Workbook()
    for row in (["CK", "share", "text"], [1.234, 0.385, "1.234"], [1234, 1, "0,5"]):
        book.active.append(row)
    book.active["B2"].number_format = "0.0%"
    path = tmp_path / "labs.xlsx"
    book.save(path)
    [table] = open_tables(path, ReadSpec(decimal=","), tmp_path)
    assert rows_of(table) == [(2, "1,234", "38,5%", "1.234"), (3, "1234", "1", "0,5")]


def grid(rows: list[list], merged: dict | None = None, **keys):
    """Rows as they would lie in a sheet, written and read back."""

    def reading(folder: Path) -> tuple[list[str], list[tuple]]:
        spec = replace(PLAIN, **keys)
        sheet = write_sheet(enumerate(rows), merged or {}, spec, folder / "sheet.csv")
        lines = CONNECTION.sql(f"from read_csv('{sheet.written.path}', header = false, all_varchar = true)")
        return sheet.header, lines.fetchall()

    return reading


def test_a_merged_cell_is_filled_down_its_first_column_and_no_further(tmp_path):
    rows = [["id", "note", "CK"], ["a", "x", 1.0], ["", "", 2.0], ["", "", 3.0], ["", "", 4.0]]
    merged = {(1, 0): (3, 0), (1, 1): (2, 1)}
    assert grid(rows, merged)(tmp_path) == (
        ["id", "note", "CK"],
        [("2", "a", "x", "1"), ("3", "a", "x", "2"), ("4", "a", None, "3"), ("5", None, None, "4")],
    )


def test_a_note_merged_across_columns_stays_in_its_first(tmp_path):
    rows = [["id", "CK"], ["see page 2", ""], ["a", 1.0]]
    assert grid(rows, {(1, 0): (1, 1)})(tmp_path)[1] == [("2", "see page 2", None), ("3", "a", "1")]


def test_a_name_merged_over_two_header_rows_is_one_name(tmp_path):
    rows = [["id", "muscle", ""], ["", "CK", "LDH"], ["a", 1.0, 2.0]]
    merged = {(0, 0): (1, 0), (0, 1): (0, 2)}
    assert grid(rows, merged, header_rows=2)(tmp_path)[0] == ["id", "muscle / CK", "muscle / LDH"]


def test_blank_rows_are_no_rows_and_still_count(tmp_path):
    rows = [["", ""], ["id", "CK"], ["", ""], ["a", 1.0], ["", ""]]
    assert grid(rows)(tmp_path)[1] == [("4", "a", "1")]


def test_every_visible_sheet_with_cells_is_a_table(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "Patients"
    book.active.append(["id"])
    book.active.append(["a"])
    for name, state in (
        ("Labs 2024", "visible"),
        ("Labs 2025", "visible"),
        ("lists", "hidden"),
        ("blank", "visible"),
    ):
        sheet = book.create_sheet(name)
        sheet.sheet_state = state
        if name != "blank":
            sheet.append(["id", "CK"])
            sheet.append(["a", 10])
    path = tmp_path / "registry.xlsx"
    book.save(path)
    every = open_tables(path, ReadSpec(), tmp_path)
    assert [table.sheet for table in every] == ["Patients", "Labs 2024", "Labs 2025"]
    labs = open_tables(path, ReadSpec(sheet="Labs*"), tmp_path)
    assert [(table.sheet, rows_of(table)) for table in labs] == [
        ("Labs 2024", [(2, "a", "10")]),
        ("Labs 2025", [(2, "a", "10")]),
    ]
    [hidden] = open_tables(path, ReadSpec(sheet="lists"), tmp_path)
    assert hidden.sheet == "lists"
    with pytest.raises(ExportFault, match=r'no sheet "labs 2024"; .*Did you mean "Labs 2024"'):
        open_tables(path, ReadSpec(sheet="labs 2024"), tmp_path)


def test_a_table_that_begins_away_from_the_corner_keeps_the_rows_of_the_sheet(tmp_path):
    book = openpyxl.Workbook()
    book.active["C4"], book.active["D4"], book.active["C5"], book.active["D6"] = "id", "CK", "a", 20
    path = tmp_path / "labs.xlsx"
    book.save(path)
    [table] = open_tables(path, ReadSpec(), tmp_path)
    assert (table.columns, rows_of(table)) == (("id", "CK"), [(5, "a", None), (6, None, "20")])


@pytest.mark.parametrize("epoch", [openpyxl.utils.datetime.WINDOWS_EPOCH, openpyxl.utils.datetime.MAC_EPOCH])
def test_dates_do_not_depend_on_the_epoch_of_the_workbook(tmp_path, epoch):
    book = openpyxl.Workbook()
    book.epoch = epoch
    book.active.append(["date"])
    book.active.append([dt.date(2020, 2, 29)])
    book.active.append([dt.datetime(2020, 2, 29, 13, 5)])
    path = tmp_path / "dates.xlsx"
    book.save(path)
    [table] = open_tables(path, ReadSpec(), tmp_path)
    assert rows_of(table) == [(2, "2020-02-29"), (3, "2020-02-29 13:05:00")]


def test_an_old_binary_workbook_is_read(tmp_path):
    table, _ = open_tables(SAMPLES / "clippy.xls", ReadSpec(), tmp_path)
    assert (table.sheet, table.format) == ("list-column", "xls")
    assert rows_of(table) == [
        (2, "Name", "Clippy"),
        (3, "Species", "paperclip"),
        (4, "Approx date of death", "2007-01-01"),
        (5, "Weight in grams", "0.9"),
    ]


def test_tongji_gives_every_row_to_its_patient(tmp_path):
    [table] = open_tables(TONGJI, ReadSpec(), tmp_path)
    assert (table.rows, len(table.columns), table.malformed) == (6120, 81, [])
    cell = {name: f"c{i}" for i, name in enumerate(table.columns)}
    CONNECTION.execute(f"create or replace temp table tongji as {table.relation}")
    counts = CONNECTION.sql(
        f"""
        select
            min(source_row), max(source_row),
            count({cell["PATIENT_ID"]}), count(distinct {cell["PATIENT_ID"]}),
            count(*) filter ({cell["RE_DATE"]} is null),
            count(*) filter ({cell["RE_DATE"]} > {cell["出院时间"]}),
            count(*) filter ({cell["2019-nCoV核酸检测"]} = '-1'),
            count(*) filter ({cell["血小板计数"]} = '-1'),
            count(distinct {cell["PATIENT_ID"]}) filter ({cell["出院方式"]} = '0'),
            count(distinct {cell["PATIENT_ID"]}) filter ({cell["出院方式"]} = '1')
        from tongji
        """
    ).fetchone()
    assert counts == (2, 6121, 6120, 375, 14, 71, 501, 4, 201, 174)


def test_a_number_is_the_text_that_its_format_shows(tmp_path):
    """With its leading zeros, and as a percentage with all of its digits; a word under such a format stays
    one.
    """
    book = openpyxl.Workbook()
    book.active.append(["hospital number", "CK", "percent", "share", "note"])
    book.active.append([412053, 10, 0.45, 0.4567, "none"])
    formats = {"A2": "00000000", "C2": "0%", "D2": '0.0" of "%', "E2": "0%"}
    for cell, number_format in formats.items():
        book.active[cell].number_format = number_format
    path = tmp_path / "labs.xlsx"
    book.save(path)
    [table] = open_tables(path, ReadSpec(), tmp_path)
    assert rows_of(table) == [(2, "00412053", "10", "45%", "45.67%", "none")]


def test_a_number_of_an_old_binary_workbook_is_the_text_that_its_format_shows(tmp_path):
    labs, away = open_tables(SAMPLES / "shown.xls", ReadSpec(), tmp_path)
    assert labs.columns == ("id", "CK", "CD4", "CD8", "text", "quoted", "err", "f")
    assert rows_of(labs) == [
        (2, "00412053", "10", "45%", "45.67%", "none", "10.5 of %", None, None),
        (4, "00000005", "20", "100%", "-2.5%", None, None, "#N/A", None),
    ]
    assert (away.sheet, rows_of(away)) == ("检验", [(4, "a", "7%")])


@pytest.mark.parametrize("records", [b"\x81", b"\x03\x08" + bytes(8), b"\x05\x08" + bytes(8)])
def test_records_of_a_binary_workbook_that_end_early_tell_nothing(tmp_path, records):
    """Calamine has the last word on such a file; what is looked up beside it must not refuse it."""
    path = tmp_path / "labs.xlsb"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/_rels/workbook.bin.rels", '<R><R Id="r" Target="sheet.bin"/></R>')
        name, link = (len(t).to_bytes(4, "little") + t.encode("utf-16-le") for t in ("s", "r"))
        sheet = bytes(8) + link + name
        archive.writestr("xl/workbook.bin", b"\x9c\x01" + bytes([len(sheet)]) + sheet)
        archive.writestr("xl/sheet.bin", records)
    assert xlsb_cells.shown_texts(str(path), "s") == {}


@pytest.mark.parametrize("packed", [False, True])
def test_sheets_that_no_table_came_from_are_told_hidden_ones_too(tmp_path, packed):
    book = openpyxl.Workbook()
    book.active.title = "Patients"
    book.active.append(["id"])
    book.active.append(["a"])
    book.create_sheet("blank")
    book.create_sheet("Labs").append(["id"])
    for name, state in (("lists", "hidden"), ("settings", "veryHidden")):
        book.create_sheet(name).append(["id"])
        book[name].sheet_state = state
    path = tmp_path / "registry.xlsx"
    book.save(path)
    if packed:
        with zipfile.ZipFile(tmp_path / "delivery.zip", "w") as archive:
            archive.write(path, "of 2024/registry [1].xlsx")
        path = tmp_path / "delivery.zip"
    tables = open_tables(path, ReadSpec(sheet="Patients"), tmp_path)
    within = ' of "of 2024/registry [1].xlsx"' if packed else ""
    assert [str(part) for part in left_unread(path, tables, tmp_path)] == [
        f'"Labs"{within}',
        f'the hidden sheet "lists"{within}',
        f'the hidden sheet "settings"{within}',
    ]


def test_a_table_of_a_page_that_no_table_came_from_is_told(tmp_path):
    path = tmp_path / "labs.xls"
    path.write_text("<table><tr><td>id</td></tr><tr><td>a</td></tr></table>" * 2)
    tables = open_tables(path, ReadSpec(sheet="Table 1"), tmp_path)
    assert [str(part) for part in left_unread(path, tables, tmp_path)] == ['"Table 2"']
