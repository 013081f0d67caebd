"""A date cell is that date in every format that has such cells, in either epoch; times, merged cells and
errors are what they are.
"""

from __future__ import annotations

import datetime as dt
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import pyreadstat
import pytest

from orchestration.exports import ReadSpec, SourceTable, open_tables
from orchestration.exports.exchanged_dates import sign_of
from tests.unit.test_exports_formatting import record, wide

CONNECTION = duckdb.connect()
SAMPLES = Path(__file__).parent / "exports_samples"
EPOCH = {False: dt.datetime(1899, 12, 30), True: dt.datetime(1904, 1, 1)}
DAYS = [
    dt.datetime(2021, 3, 4),
    dt.datetime(2021, 3, 5, 13, 30),
    "27/3/2021",
    dt.datetime(2021, 3, 6),
    dt.datetime(2021, 3, 7),
]
TIMES = {0: dt.time(13, 30), 1: "13:45"}
# A spreadsheet that puts the month first took 5/8 for the 8th of May, and left 27/6 as a text.
EXCHANGED = [dt.datetime(2021, day, month) for day in (2, 5, 9, 11) for month in (1, 4, 8)]
EXCHANGED += [f"{day}/{month}/2021" for day in (13, 17, 20, 27) for month in (1, 4, 8)]
# the last two rows share an id in a merged cell; the fourth has an error
SEEN = [
    (2, "1", "2021-03-04", "13:30:00", "10"),
    (3, "2", "2021-03-05 13:30:00", "13:45", "11"),
    (4, "3", "27/3/2021", None, "12"),
    (5, "4", "2021-03-06", None, "#DIV/0!"),
    (6, "4", "2021-03-07", None, "14"),
]
HEADER = ["id", "day", "time", "CK"]


def serial(day: dt.datetime, is_1904: bool) -> float:
    return (day - EPOCH[is_1904]).total_seconds() / 86400


def xlsx(path: Path, is_1904: bool, days: list[dt.datetime | str] = DAYS) -> None:
    book = openpyxl.Workbook()
    if is_1904:
        book.epoch = openpyxl.utils.datetime.MAC_EPOCH
    sheet = book.active
    sheet.append(HEADER)
    for i, day in enumerate(days):
        sheet.append([i + 1 if i != 4 else None, day, TIMES.get(i), 10 + i])
    sheet["D5"] = "#DIV/0!"
    sheet["D5"].data_type = "e"
    sheet.merge_cells("A5:A6")
    sheet.column_dimensions["C"].hidden = True
    sheet.row_dimensions[3].hidden = True
    sheet.auto_filter.ref = "A1:D6"
    book.save(path)


def xls(path: Path, is_1904: bool, days: list[dt.datetime | str] = DAYS) -> None:
    name = "dates_exchanged.xls" if days is EXCHANGED else "dates_1904.xls" if is_1904 else "dates.xls"
    path.write_bytes((SAMPLES / name).read_bytes())


def xlsb(path: Path, is_1904: bool, days: list[dt.datetime | str] = DAYS) -> None:
    """The records of MS-XLSB that a reader needs. Style 1 is a day, 2 a day with its time, 3 a time."""
    styles = [record(278), record(617, struct.pack("<I", 4))]
    styles += [record(47, struct.pack("<HHH", 0, code, 0) + bytes(10)) for code in (0, 14, 22, 20)]
    styles += [record(618), record(279)]
    strings = [*HEADER, "13:45", *(day for day in days if isinstance(day, str))]
    shared = record(159, struct.pack("<II", len(strings), len(strings)))
    shared += b"".join(record(19, bytes([0]) + wide(text)) for text in strings) + record(160)

    def row(number: int) -> bytes:
        return record(0, struct.pack("<II", number, 0) + bytes(9))

    def text(column: int, string: str) -> bytes:
        return record(7, struct.pack("<III", column, 0, strings.index(string)))

    def number(column: int, style: int, value: float) -> bytes:
        return record(5, struct.pack("<IId", column, style, value))

    sheet = [record(129), record(148, struct.pack("<IIII", 0, len(days), 0, 3)), record(145)]
    sheet += [row(0), *(text(i, name) for i, name in enumerate(HEADER))]
    for i, day in enumerate(days):
        sheet += [row(i + 1), *([number(0, 0, i + 1)] if i != 4 else [])]
        sheet += [
            text(1, day) if isinstance(day, str) else number(1, 2 if day.hour else 1, serial(day, is_1904))
        ]
        sheet += [number(2, 3, 0.5625)] if i == 0 else [text(2, "13:45")] if i == 1 else []
        sheet += [record(3, struct.pack("<IIB", 3, 0, 0x07)) if i == 3 else number(3, 0, 10 + i)]
    merged = [record(177, struct.pack("<I", 1)), record(176, struct.pack("<IIII", 4, 5, 0, 0)), record(178)]
    sheet += [record(146), *merged, record(130)]
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="bin" ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/></Types>',
        )
        properties = record(153, struct.pack("<II", 1 if is_1904 else 0, 0) + wide(""))
        book = [
            record(131),
            properties,
            record(143),
            record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("labs")),
        ]
        archive.writestr("xl/workbook.bin", b"".join([*book, record(144), record(132)]))
        archive.writestr(
            "xl/_rels/workbook.bin.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="rId1" Type="{kinds}/worksheet" Target="worksheets/sheet1.bin"/>'
            f'<Relationship Id="rId2" Type="{kinds}/styles" Target="styles.bin"/>'
            f'<Relationship Id="rId3" Type="{kinds}/sharedStrings" Target="sharedStrings.bin"/></Relationships>',
        )
        archive.writestr("xl/worksheets/sheet1.bin", b"".join(sheet))
        archive.writestr("xl/styles.bin", b"".join(styles))
        archive.writestr("xl/sharedStrings.bin", shared)


def ods(path: Path, is_1904: bool, days: list[dt.datetime | str] = DAYS) -> None:
    """As LibreOffice writes it: a date cell holds the date itself, whatever the epoch of the workbook."""
    names = ["office", "table", "text", "style", "number"]
    spaces = " ".join(
        f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{"datastyle" if n == "number" else n}:1.0"'
        for n in names
    )

    def cell(value: object, more: str = "") -> str:
        if value is None:
            return "<table:table-cell/>"
        if isinstance(value, dt.datetime):
            written = value.isoformat() if value.hour else value.date().isoformat()
            return (
                f'<table:table-cell office:value-type="date" office:date-value="{written}"{more}><text:p>4/3/21</text:p>'
                "</table:table-cell>"
            )
        if isinstance(value, dt.time):
            return (
                '<table:table-cell office:value-type="time" office:time-value="PT13H30M00S"><text:p>13:30</text:p>'
                "</table:table-cell>"
            )
        if isinstance(value, int):
            return f'<table:table-cell office:value-type="float" office:value="{value}"{more}><text:p>{value}</text:p></table:table-cell>'
        return (
            f'<table:table-cell office:value-type="string"{more}><text:p>{value}</text:p></table:table-cell>'
        )

    error = (
        '<table:table-cell table:formula="of:=1/0" office:value-type="string" office:string-value=""'
        ' calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell>'
    )
    rows = [[cell(name) for name in HEADER]]
    for i, day in enumerate(days):
        span = ' table:number-rows-spanned="2" table:number-columns-spanned="1"' if i == 3 else ""
        first = "<table:covered-table-cell/>" if i == 4 else cell(i + 1, span)
        rows.append(
            [
                first,
                cell(day),
                cell(TIMES.get(i)),
                error if i == 3 else cell(10 + i),
            ]
        )
    body = "".join(f"<table:table-row>{''.join(row)}</table:table-row>" for row in rows)
    start = "1904-01-01" if is_1904 else "1899-12-30"
    content = (
        f"<office:document-content {spaces}"
        ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" office:version="1.2">'
        "<office:body><office:spreadsheet>"
        f'<table:calculation-settings><table:null-date table:date-value="{start}"/></table:calculation-settings>'
        f'<table:table table:name="labs">{body}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry'
            ' manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>',
        )
        archive.writestr("content.xml", content)


def read(path: Path) -> tuple[SourceTable, list[tuple[object, ...]]]:
    [table] = open_tables(path, ReadSpec(), path.parent)
    return table, CONNECTION.sql(f"select * from ({table.relation}) order by source_row").fetchall()


@pytest.mark.parametrize("is_1904", [False, True], ids=["1900", "1904"])
@pytest.mark.parametrize("write", [xlsx, xls, xlsb, ods])
def test_every_kind_of_workbook_gives_its_dates_times_merged_cells_and_errors(
    write: Callable[[Path, bool], None], is_1904: bool, tmp_path: Path
) -> None:
    """The column of times and one row are hidden, and the rows are filtered, where a format can say so: what
    is hidden is read like everything else.
    """
    path = tmp_path / f"labs.{write.__name__}"
    write(path, is_1904)
    table, rows = read(path)
    assert (table.columns, table.date_cells) == (tuple(HEADER), {"day"})
    assert rows == SEEN


@pytest.mark.parametrize("write", [xlsx, xls, xlsb, ods])
def test_every_kind_of_workbook_shows_the_sign_of_an_exchange(
    write: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / f"labs.{write.__name__}"
    write(path, False, EXCHANGED)
    table, rows = read(path)
    sign = sign_of({str(row[2]): 1 for row in rows}, "day" in table.date_cells)
    assert sign is not None and sign_of({str(row[2]): 1 for row in rows if "/" in str(row[2])}, False) is None


FRAME = pd.DataFrame(
    {
        "id": [1, 2],
        "day": [dt.date(2021, 3, 4), dt.date(2021, 4, 3)],
        "moment": pd.to_datetime(["2021-03-05 13:30", "2021-03-06 00:00"]),
    }
)


def parquet(path: Path) -> None:
    CONNECTION.register("frame", FRAME)
    CONNECTION.execute(f"copy (select id, day::date as day, moment from frame) to '{path}' (format parquet)")


def sav(path: Path) -> None:
    pyreadstat.write_sav(FRAME, path)


def dta(path: Path) -> None:
    pyreadstat.write_dta(FRAME, path)


def xpt(path: Path) -> None:
    pyreadstat.write_xport(FRAME, path)


@pytest.mark.parametrize("write", [parquet, sav, dta, xpt])
def test_every_typed_file_gives_its_dates_and_times(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / f"labs.{write.__name__}"
    write(path)
    table, rows = read(path)
    assert table.date_cells == {"day", "moment"}
    assert [row[1:] for row in rows] == [
        ("1", "2021-03-04", "2021-03-05 13:30:00"),
        ("2", "2021-04-03", "2021-03-06"),
    ]
