"""Broken files that are binary, large or in another encoding, made anew from a fixed seed.

Belongs here: one function per file, registered under the file's name. Does not belong here: what is expected.

    python -m tests.broken_exports.make DIR
"""

from __future__ import annotations

import bz2
import gzip
import io
import random
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

MADE: dict[str, Callable[[], bytes]] = {}
SEED = 20240229


def made(name: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def register(function: Callable[[], bytes]) -> Callable[[], bytes]:
        MADE[name] = function
        return function

    return register


def encoded(name: str, text: str, encoding: str) -> None:
    MADE[name] = lambda: text.encode(encoding)


def raw(name: str, content: bytes) -> None:
    MADE[name] = lambda: content


# -- encodings -------------------------------------------------------------------------------------------

SIMPLIFIED = "住院号,检验项目,结果,单位\n0041,肌酸激酶,120,U/L\n0042,乳酸脱氢酶,250,U/L\n"
TRADITIONAL = "病歷號,檢驗項目,結果,單位\n0041,肌酸激酉每,120,U/L\n0042,乳酸脫氫,250,U/L\n"
JAPANESE = "患者ID,検査項目,結果,単位\n0041,クレアチンキナーゼ,120,U/L\n0042,乳酸脱水素酵素,250,U/L\n"
WESTERN = "patient,médecin,créatinine,unité\n0041,Hélène,80,µmol/L\n0042,François,75,µmol/L\n"
encoded("gb18030.csv", SIMPLIFIED, "gb18030")
encoded("gb18030_stated_as_utf8.csv", SIMPLIFIED, "gb18030")
encoded("big5.csv", TRADITIONAL, "cp950")
encoded("shift_jis.csv", JAPANESE, "cp932")
encoded("cp1252.csv", WESTERN, "cp1252")
encoded("utf8_with_mark.csv", SIMPLIFIED, "utf-8-sig")
encoded("utf16_with_mark.csv", SIMPLIFIED, "utf-16")
encoded("utf16_big_endian_without_mark.csv", SIMPLIFIED, "utf-16-be")
encoded("mark_contradicts_mapping.csv", SIMPLIFIED, "utf-8-sig")
encoded("undecidable.csv", "id,v\n1,5±2\n2,6±1\n", "gb18030")
raw(
    "one_line_in_another_encoding.csv",
    (SIMPLIFIED * 3).encode() + "0043,醛缩酶,5,U/L\n".encode("gb18030") + "0044,铁蛋白,5,ng/mL\n".encode(),
)
raw(
    "character_cut_at_field_limit.csv",
    ("id,诊断\n" + "1,幼年型皮肌炎合并间质性肺疾病\n2,皮肌炎\n3,").encode()
    + "皮肌炎".encode()[:-1]
    + "\n4,皮肌炎\n".encode(),
)


def twice(text: str, wrong: str) -> str:
    """Text as it reads after its UTF-8 was taken for another encoding."""
    return text.encode().decode(wrong)


encoded("mojibake_header.csv", f"id,{twice('é', 'cp1252')}chelle\n1,2\n", "utf-8")
encoded("mojibake_header_gbk.csv", f"id,{twice('结果单位', 'gb18030')}\n1,2\n", "utf-8")
encoded("mojibake_row.csv", f"id,unit\n1,µmol/L\n2,{twice('µ', 'cp1252')}mol/L\n3,U/L\n", "utf-8")
encoded("mojibake_kept.csv", f"id,unit\n1,µmol/L\n2,{twice('µ', 'cp1252')}mol/L\n", "utf-8")
encoded("lost_characters_row.csv", "id,name\n1,肌酶\n2,\ufffd\ufffd酶\n3,酶\n", "utf-8")
encoded("lost_characters_header.csv", "id,\ufffd\ufffd酶\n1,2\n", "utf-8")
encoded("lost_characters_as_gbk.csv", "id,name\n1,锟斤拷锟斤拷\n2,酶\n", "utf-8")


# -- size ------------------------------------------------------------------------------------------------


@made("line_of_100_mb.csv")
def line_of_100_mb() -> bytes:
    return b"id,note\n1,a\n2," + b"x" * 100_000_000 + b"\n3,b\n"


@made("line_of_20_mb_in_quotes.csv")
def line_of_20_mb_in_quotes() -> bytes:
    return b'id,note\n1,a\n2,"' + b"x" * 20_000_000 + b'"\n3,b\n'


@made("million_columns.csv")
def million_columns() -> bytes:
    return b",".join(b"c%d" % i for i in range(1_000_000)) + b"\n" + b"1," * 999_999 + b"1\n"


@made("many_columns.csv")
def many_columns() -> bytes:
    return b",".join(b"c%d" % i for i in range(20_000)) + b"\n" + b"1," * 19_999 + b"1\n"


@made("quotes_never_close.csv")
def quotes_never_close() -> bytes:
    """Every line opens a quote and none closes: each is read again from its own start."""
    return b"id,note\n" + b'1,"a\n' * 110_000


@made("random_bytes.csv")
def random_bytes() -> bytes:
    return random.Random(SEED).randbytes(200_000)


# -- workbooks -------------------------------------------------------------------------------------------


def workbook(fill: Callable) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    fill(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def sheet(*rows: list, title: str = "Labs", merge: str | None = None) -> bytes:
    def fill(book) -> None:
        book.active.title = title
        for row in rows:
            book.active.append(row)
        if merge:
            book.active.merge_cells(merge)

    return workbook(fill)


def changed(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """A zip with one member changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
    return out.getvalue()


SHEET_XML = "xl/worksheets/sheet1.xml"
PLAIN = [["id", "CK"], ["a", 10], ["b", 20]]
MADE["truncated.xlsx"] = lambda: sheet(*PLAIN)[:3000]
raw("not_a_workbook.xlsx", b"id,CK\n1,2\n")
MADE["damaged_sheet.xlsx"] = lambda: changed(sheet(*PLAIN), SHEET_XML, lambda xml: xml[: len(xml) // 2])
MADE["missing_sheet.xlsx"] = lambda: sheet(*PLAIN, title="Laboratory")
MADE["two_headers_alike.xlsx"] = lambda: sheet(["id", "CK", "CK"], ["a", 1, 2])
MADE["header_only.xlsx"] = lambda: sheet(["id", "CK"])
MADE["empty.xlsx"] = lambda: sheet()
MADE["formula_never_calculated.xlsx"] = lambda: sheet(["id", "CK"], ["a", 10], ["b", "=B2*2"])
MADE["formula_with_value.xlsx"] = lambda: changed(
    sheet(["id", "CK"], ["a", 10], ["b", "=B2*2"]),
    SHEET_XML,
    lambda xml: xml.replace(b"<v></v>", b"<v>20</v>").replace(b"<v />", b"<v>20</v>"),
)
MADE["error_value.xlsx"] = lambda: changed(
    sheet(["id", "CK"], ["a", 10], ["b", 30]),
    SHEET_XML,
    lambda xml: xml.replace(b'<c r="B3" t="n"><v>30</v>', b'<c r="B3" t="e"><v>#DIV/0!</v>'),
)
MADE["merged_patients.xlsx"] = lambda: sheet(
    ["id", "CK"], ["a", 10], [None, 20], ["b", 30], [None, 40], [None, 50], merge="A2:A3"
)
MADE["long_numbers.xlsx"] = lambda: changed(
    sheet(["id", "CK"], [1, 10], [2, 20]),
    SHEET_XML,
    lambda xml: xml.replace(b'<c r="A2" t="n"><v>1</v>', b'<c r="A2" t="n"><v>320102199001011234</v>'),
)
MADE["cell_far_away.xlsx"] = lambda: changed(
    sheet(*PLAIN), SHEET_XML, lambda xml: xml.replace(b'<c r="B3"', b'<c r="XFD1048576"')
)
MADE["expanding.xlsx"] = lambda: changed(
    sheet(*PLAIN), SHEET_XML, lambda xml: xml.replace(b"<sheetData>", b"<sheetData>" + b" " * 80_000_000)
)


@made("two_header_rows.xlsx")
def two_header_rows() -> bytes:
    return sheet(["id", "muscle", None], [None, "CK", "LDH"], ["a", 10, 200], merge="B1:C1")


@made("on_its_side.xlsx")
def on_its_side() -> bytes:
    return sheet(["id", "a", "b"], ["CK", 10, 20])


@made("hidden_sheets_only.xlsx")
def hidden_sheets_only() -> bytes:
    def fill(book) -> None:
        book.active.title = "note"
        hidden = book.create_sheet("Labs")
        hidden.append(["id", "CK"])
        hidden.sheet_state = "hidden"

    return workbook(fill)


@made("password.xlsx")
def password() -> bytes:
    """The container that Excel puts around an encrypted workbook, as far as its directory."""
    entries = ["Root Entry", "EncryptedPackage", "EncryptionInfo"]
    directory = b"".join(name.encode("utf-16-le").ljust(64, b"\0") + b"\0" * 64 for name in entries)
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + directory.ljust(4096, b"\0")


MADE["formula_never_calculated.ods"] = lambda: ods(
    '<table:table-cell table:formula="of:=1+1"><text:p/></table:table-cell>'
)
MADE["plain.ods"] = lambda: ods(
    '<table:table-cell office:value-type="float" office:value="20"><text:p>20</text:p></table:table-cell>'
)


def ods(cells: str, *columns: str) -> bytes:
    names = {n: f"urn:oasis:names:tc:opendocument:xmlns:{n}:1.0" for n in ("office", "table", "text")}
    names["calcext"] = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"
    text = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'.format
    row = "<table:table-row>{}</table:table-row>".format
    declared = " ".join(f'xmlns:{name}="{uri}"' for name, uri in names.items())
    xml = (
        f"<office:document-content {declared}><office:body>"
        '<office:spreadsheet><table:table table:name="Labs">'
        + row(text("id") + "".join(map(text, columns or ("CK",))))
        + row(text("a") + cells)
        + "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    return archive(
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": xml.encode(),
            "META-INF/manifest.xml": b"<manifest/>",
        }
    )


MADE["percentage.ods"] = lambda: ods(
    '<table:table-cell office:value-type="percentage" office:value="0.457"><text:p>46%</text:p></table:table-cell>'
    '<table:table-cell office:value-type="float" office:value="7"><text:p>007</text:p></table:table-cell>'
    '<table:table-cell office:value-type="string" calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell>',
    "CD4",
    "ward",
    "CRP",
)
raw(
    "percentage_2003.xml",
    b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" '
    b'xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"><Styles><Style ss:ID="s1"><NumberFormat ss:Format="Percent"/></Style>'
    b'</Styles><Worksheet ss:Name="Labs"><Table><Row><Cell><Data ss:Type="String">id</Data></Cell><Cell><Data ss:Type="String">CD4'
    b'</Data></Cell></Row><Row><Cell><Data ss:Type="String">a</Data></Cell><Cell ss:StyleID="s1"><Data ss:Type="Number">0.457</Data>'
    b"</Cell></Row></Table></Worksheet></Workbook>",
)
MADE["plain.xlsb"] = lambda: xlsb(20.5)
MADE["percentage.xlsb"] = lambda: xlsb(0.457, 1)


def xlsb(number: float, style: int = 0) -> bytes:
    """The smallest binary workbook: one sheet, a header, one row; style 1 shows a percentage."""

    def record(kind: int, data: bytes = b"") -> bytes:
        code = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
        return code + bytes([len(data)]) + data

    def wide(text: str) -> bytes:
        return struct.pack("<I", len(text)) + text.encode("utf-16-le")

    def row(number: int, *cells: bytes) -> bytes:
        return record(0, struct.pack("<IIHBBI", number, 0, 300, 0, 0, 0)) + b"".join(cells)

    def text(column: int, value: str) -> bytes:
        return record(6, struct.pack("<II", column, 0) + wide(value))

    sheets = record(143) + record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("Labs")) + record(144)
    cells = (
        record(129)
        + record(148, struct.pack("<IIII", 0, 1, 0, 1))
        + record(145)
        + row(0, text(0, "id"), text(1, "CK"))
        + row(1, text(0, "a"), record(5, struct.pack("<IId", 1, style, number)))
        + record(146)
        + record(130)
    )
    styles = (
        record(615, struct.pack("<I", 1)) + record(44, struct.pack("<H", 164) + wide("0.0%")) + record(616)
    )
    styles += record(617, struct.pack("<I", 2))
    styles += b"".join(record(47, struct.pack("<HH12x", 0, code)) for code in (0, 164)) + record(618)
    link = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
        'Target="worksheets/sheet1.bin"/></Relationships>'
    )
    return archive(
        {
            "[Content_Types].xml": b"<Types/>",
            "xl/workbook.bin": record(131) + sheets + record(132),
            "xl/_rels/workbook.bin.rels": link.encode(),
            "xl/styles.bin": styles,
            "xl/worksheets/sheet1.bin": cells,
        }
    )


# -- archives --------------------------------------------------------------------------------------------


def archive(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return out.getvalue()


TABLE = b"id,CK\n1,10\n2,20\n"
MADE["plain.zip"] = lambda: archive({"a/labs.csv": TABLE, "__MACOSX/a/._labs.csv": b"\0\1"})
MADE["truncated.zip"] = lambda: archive({"labs.csv": TABLE * 100})[:-30]
MADE["leads_out.zip"] = lambda: archive({"../labs.csv": TABLE})
MADE["absolute_name.zip"] = lambda: archive({"/etc/labs.csv": TABLE})
MADE["drive_letter.zip"] = lambda: archive({"C:\\labs.csv": TABLE})
MADE["missing_member.zip"] = lambda: archive({"labs_2024.csv": TABLE, "patients.csv": TABLE})
MADE["archive_in_archive.zip"] = lambda: archive({"inner.zip": archive({"labs.csv": TABLE})})
MADE["compressed_member.zip"] = lambda: archive({"labs.csv.gz": gzip.compress(TABLE, mtime=0)})
MADE["many_members.zip"] = lambda: archive({f"{i}.csv": b"" for i in range(10_001)}, zipfile.ZIP_STORED)
MADE["expanding.zip"] = lambda: archive({"labs.csv": b"id,CK\n" + b"\n" * 80_000_000})
MADE["broken_member.zip"] = lambda: archive({"labs.csv": b"id,CK\n1,2,3\n", "more.csv": b"id,,CK\n1,2,3\n"})
MADE["truncated.csv.gz"] = lambda: gzip.compress(TABLE * 1000, mtime=0)[:-20]
MADE["wrong_checksum.csv.gz"] = lambda: gzip.compress(TABLE, mtime=0)[:-8] + b"\0" * 8
MADE["expanding.csv.gz"] = lambda: gzip.compress(b"\n" * 80_000_000, mtime=0)
MADE["plain.csv.bz2"] = lambda: bz2.compress(TABLE)
raw("archive.rar", b"Rar!\x1a\x07\x01\x00" + b"\0" * 100)
raw("print.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")


@made("password.zip")
def password_zip() -> bytes:
    content = bytearray(archive({"labs.csv": TABLE}, zipfile.ZIP_STORED))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    return bytes(content)


@made("link.zip")
def link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        member = zipfile.ZipInfo("labs.csv")
        member.external_attr = 0o120777 << 16
        new.writestr(member, "/etc/passwd")
    return out.getvalue()


@made("two_members_alike.zip")
def two_members_alike() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name in ("labs.csv", "labt.csv"):
            new.writestr(name, TABLE)
    return out.getvalue().replace(b"labt.csv", b"labs.csv")


@made("member_name_in_gbk.zip")
def member_name_in_gbk() -> bytes:
    return archive({"xxxxxxxx.csv": TABLE}).replace(b"xxxxxxxx", "检验结果".encode("gb18030"))


# -- Parquet, statistics files ---------------------------------------------------------------------------


def parquet(query: str) -> bytes:
    import tempfile

    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.parquet"
        duckdb.connect().execute(f"copy ({query}) to '{path}' (format parquet)")
        return path.read_bytes()


ROWS = "select 'a' || i as id, i / 2 as ck, i > 1 as low from range(3) t(i)"
MADE["plain.parquet"] = lambda: parquet(ROWS)
MADE["truncated.parquet"] = lambda: parquet(ROWS)[:-40]
MADE["damaged_page.parquet"] = lambda: damaged(parquet(ROWS), 10, 60)
MADE["no_rows.parquet"] = lambda: parquet(ROWS + " where false")
MADE["lost_characters.parquet"] = lambda: parquet(
    "select i as id, if(i = 1, chr(65533), 'x') as unit from range(3) t(i)"
)


def damaged(content: bytes, start: int, end: int) -> bytes:
    noise = random.Random(SEED).randbytes(end - start)
    return content[:start] + noise + content[end:]


def statistics(suffix: str) -> bytes:
    import tempfile

    import pandas
    import pyreadstat

    frame = pandas.DataFrame({"id": ["a", "b", "c"], "ck": [10.0, None, 0.5], "sex": [1.0, 2.0, 2.0]})
    write = {".sav": pyreadstat.write_sav, ".dta": pyreadstat.write_dta, ".xpt": pyreadstat.write_xport}[
        suffix
    ]
    labels = {} if suffix == ".xpt" else {"variable_value_labels": {"sex": {1: "male", 2: "female"}}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"made{suffix}"
        write(frame, str(path), **labels)
        return path.read_bytes()


MADE["labels.sav"] = lambda: statistics(".sav")
MADE["truncated.sav"] = lambda: statistics(".sav")[:-20]
MADE["truncated.dta"] = lambda: statistics(".dta")[:-20]
MADE["truncated.xpt"] = lambda: statistics(".xpt")[:-100]
MADE["garbage.sas7bdat"] = lambda: (
    b"\0" * 12
    + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
    + random.Random(SEED).randbytes(70_000)
)
MADE["not_a_statistics_file.sav"] = lambda: b"id,ck\n1,2\n"


# -- JSON ------------------------------------------------------------------------------------------------

raw("nested_too_deeply.ndjson", b'{"id": "a"}\n{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")
raw("array_too_long.ndjson", b'{"id": "a", "v": [1]}\n{"id": "b", "v": [' + b"1, " * 64 + b"1]}\n")


def build(folder: Path) -> None:
    """Write every made file to ``folder``."""
    for name, content in MADE.items():
        (folder / name).write_bytes(content())


if __name__ == "__main__":
    build(Path(sys.argv[1]))
