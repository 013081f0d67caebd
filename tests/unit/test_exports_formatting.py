"""What only a cell's format shows: comparators and units out of number formats, raised text, cells that are
struck out.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import Font

from orchestration.exports import Finding, ReadSpec, open_tables
from orchestration.exports.number_formats import Format

CONNECTION = duckdb.connect()
SAMPLES = Path(__file__).parent / "exports_samples"
# id, result, unit as a person reads them in every one of the workbooks below
SEEN = [
    ("1", "<0.10", "mg/L"),
    ("2", ">300", "mg/L"),
    ("3", "5.5 mg/dL", "mg/L"),
    ("4", "5.5", "mg/L"),
    ("5", "<0.1", "mg/L"),
    ("6", "5.2", "10⁹/L"),
    ("7", "77", "mg/L"),
    ("8", "8", "mg/L"),
]
CODES = {1: '"<"0.00', 2: '">"0', 3: '0.0" mg/dL"', 4: "0.0", 5: '[<0.1]"<0.1";0.0'}
NUMBERS = {1: 0.1, 2: 300.0, 3: 5.5, 4: 5.5, 5: 0.04, 6: 5.2, 7: 77.0, 8: 8.0}


@pytest.mark.parametrize(
    ("code", "number", "seen"),
    [
        ('"<"0.00', 0.1, "<0.10"),
        ("<0.00", 0.1, "<0.10"),
        ("\\<0.0", 0.1, "<0.1"),
        ('"≥ "0', 3.0, "≥ 3"),
        ('[<0.1]"<0.1";0.0', 0.05, "<0.1"),
        ('[<0.1]"<0.1";0.0', 0.5, None),
        ('[<0.1]"<"0.1;0.0', 0.04, "<0.1"),
        ('[>300]">300";General', 400.0, ">300"),
        ('0.00;-0.00;"n.d."', 0.0, "n.d."),
        ("0;-0;;@", 0.0, None),
        ('0.0" mg/dL"', 5.5, "5.5 mg/dL"),
        ('0.0"mg";-0.0"mg"', -2.0, "-2.0mg"),
        ('#,##0.0\\ "mg/L"', 1234.5, "1234.5 mg/L"),
        ('General" U/L"', 12.0, "12 U/L"),
        ("[$mg/dL] 0", 4.0, "mg/dL 4"),
        ('0,"K"', 5000.0, "5K"),
        ('"P"0000', 12.0, "P0012"),
        ("0%", 0.45, "45%"),
        ('"<"0%', 0.45, "<45%"),
        ('_-* #,##0.00\\ "€"_-', 5.0, None),
        ("0.0_ ;[Red]\\-0.0\\ ", -5.0, None),
        ("yyyy-mm-dd", 44000.0, None),
        ("[$-409]d\\-mmm\\-yy", 44000.0, None),
        ("[h]:mm", 1.5, None),
        ("0.00E+00", 12.0, None),
        ("000-000", 123456.0, None),
    ],
)
def test_a_number_format_is_read_as_a_person_reads_it(code, number, seen):
    assert Format.of(code).text(number) == seen


def xlsx(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["id", "result", "unit", "note"])
    for i, number in NUMBERS.items():
        sheet.append([i, number, "mg/L", None])
        sheet.cell(i + 1, 2).number_format = CODES.get(i, "General")
    sheet["C7"] = CellRichText("10", TextBlock(InlineFont(vertAlign="superscript"), "9"), "/L")
    sheet["B8"].font = Font(strike=True)
    sheet["D9"] = CellRichText("valid ", TextBlock(InlineFont(strike=True), "void"))
    book.save(path)


def xlsx_of_shared_strings(path: Path) -> None:
    """The same, its texts in the workbook's table of strings, as Excel writes them."""
    inner = path.with_name("inline.xlsx")
    xlsx(inner)
    rich = {
        "C7": "<r><t>10</t></r><r><rPr><vertAlign val='superscript'/></rPr><t>9</t></r><r><t>/L</t></r>",
        "D9": "<r><t xml:space='preserve'>valid </t></r><r><rPr><strike/></rPr><t>void</t></r>",
    }
    with zipfile.ZipFile(inner) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name).decode()
            if name.endswith("sheet1.xml"):
                for number, place in enumerate(rich):
                    start = content.index(f'<c r="{place}"')
                    end = content.index("</c>", start) + 4
                    content = content[:start] + f'<c r="{place}" t="s"><v>{number}</v></c>' + content[end:]
            if name == "xl/_rels/workbook.xml.rels" and "sharedStrings" not in content:
                link = '<Relationship Id="rIdS" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/>'
                content = content.replace("</Relationships>", link + "</Relationships>")
            if name != "xl/sharedStrings.xml":
                target.writestr(name, content)
        items = "".join(f"<si>{runs}</si>" for runs in rich.values())
        target.writestr(
            "xl/sharedStrings.xml",
            f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{items}</sst>',
        )


def xls(path: Path) -> None:
    path.write_bytes((SAMPLES / "formatted.xls").read_bytes())


def ods(path: Path, with_styles: bool = True) -> None:
    """With styles as LibreOffice writes them; without, the text beside the value is all that tells."""
    names = ["office", "table", "text", "style", "number"]
    spaces = " ".join(
        f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{"datastyle" if n == "number" else n}:1.0"'
        for n in names
    )
    literal = {1: ("&lt;", ""), 2: ("&gt;", ""), 3: ("", " mg/dL")}
    styles = "".join(
        f'<number:number-style style:name="N{i}"><number:text>{b}</number:text><number:number number:decimal-places="'
        f'{2 if i == 1 else 0}" number:min-integer-digits="1"/><number:text>{a}</number:text></number:number-style>'
        f'<style:style style:name="c{i}" style:family="table-cell" style:data-style-name="N{i}"/>'
        for i, (b, a) in literal.items()
    ) + (
        '<number:number-style style:name="N5P0"><number:text>&lt;0.1</number:text></number:number-style>'
        '<number:number-style style:name="N5"><number:number number:decimal-places="1" number:min-integer-digits="1"/>'
        '<style:map style:condition="value()&lt;0.1" style:apply-style-name="N5P0"/></number:number-style>'
        '<style:style style:name="c5" style:family="table-cell" style:data-style-name="N5"/>'
    )
    marks = (
        '<style:style style:name="T1" style:family="text"><style:text-properties style:text-position="super 58%"/></style:style>'
        '<style:style style:name="T2" style:family="text"><style:text-properties style:text-line-through-style="solid"/></style:style>'
        '<style:style style:name="c7" style:family="table-cell"><style:text-properties style:text-line-through-style="solid"/></style:style>'
    )
    shown = {1: "&lt;0,10", 2: "&gt;300", 3: "5,5 mg/dL", 4: "5,5", 5: "&lt;0.1", 6: "5,2", 7: "77", 8: "8"}

    def cell(text: str) -> str:
        return f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'

    rows = "".join(map(cell, ("id", "result", "unit", "note")))
    body = f"<table:table-row>{rows}</table:table-row>"
    for i, number in NUMBERS.items():
        style = f' table:style-name="c{i}"' if i == 7 or (with_styles and i in (*literal, 5)) else ""
        text = "" if with_styles else f"<text:p>{shown[i]}</text:p>"
        unit = '10<text:span text:style-name="T1">9</text:span>/L' if i == 6 else "mg/L"
        note = cell('valid <text:span text:style-name="T2">void</text:span>') if i == 8 else ""
        body += (
            f'<table:table-row>{cell(str(i))}<table:table-cell{style} office:value-type="float" office:value="{number}">'
            f"{text}</table:table-cell>{cell(unit)}{note}</table:table-row>"
        )
    content = (
        f'<office:document-content {spaces} office:version="1.2"><office:automatic-styles>{styles if with_styles else ""}{marks}'
        f'</office:automatic-styles><office:body><office:spreadsheet><table:table table:name="labs">{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            (
                '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry'
                ' manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>'
            ),
        )
        archive.writestr("content.xml", content)


def ods_without_styles(path: Path) -> None:
    ods(path, with_styles=False)


def record(kind: int, data: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, length = b"", len(data)
    while True:
        size += bytes([length & 0x7F | (0x80 if length > 0x7F else 0)])
        length >>= 7
        if not length:
            return head + size + data


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb(path: Path) -> None:
    """The records of MS-XLSB that a reader needs, and no more."""
    codes = [CODES.get(i, "General") for i in range(9)]
    fonts = [(0, 0), (8, 0), (0, 1)]  # plain, struck out, raised
    styles = b"".join(
        [
            record(278),
            record(615, struct.pack("<I", 9)),
            *(record(44, struct.pack("<H", 170 + i) + wide(code)) for i, code in enumerate(codes)),
            record(616),
            record(611, struct.pack("<I", 3)),
            *(
                record(43, struct.pack("<HHHH", 220, flags, 400, script) + bytes(13) + wide("Calibri"))
                for flags, script in fonts
            ),
            record(612),
            record(617, struct.pack("<I", 10)),
            *(
                record(
                    47, struct.pack("<HHH", 0, 170 + i if i in CODES else 0, 1 if i == 7 else 0) + bytes(10)
                )
                for i in range(10)
            ),
            record(618),
            record(279),
        ]
    )
    strings = ["id", "result", "unit", "note", "mg/L", "109/L", "valid void"]
    runs = {"109/L": [(2, 2), (3, 0)], "valid void": [(6, 1)]}
    shared = record(159, struct.pack("<II", len(strings), len(strings)))
    for text in strings:
        own = runs.get(text, [])
        tail = struct.pack("<I", len(own)) + b"".join(struct.pack("<HH", *run) for run in own) if own else b""
        shared += record(19, bytes([1 if own else 0]) + wide(text) + tail)
    shared += record(160)

    def row(number: int) -> bytes:
        return record(0, struct.pack("<II", number, 0) + bytes(9))

    def text(column: int, string: str) -> bytes:
        return record(7, struct.pack("<III", column, 0, strings.index(string)))

    def number(column: int, style: int, value: float) -> bytes:
        return record(5, struct.pack("<IId", column, style, value))

    sheet = [record(129), record(148, struct.pack("<IIII", 0, 8, 0, 3)), record(145)]
    sheet += [row(0), *(text(i, name) for i, name in enumerate(strings[:4]))]
    for i, value in NUMBERS.items():
        sheet += [row(i), number(0, 0, i), number(1, i if i in CODES or i == 7 else 0, value)]
        sheet += [text(2, "109/L" if i == 6 else "mg/L"), *([text(3, "valid void")] if i == 8 else [])]
    sheet += [record(146), record(130)]
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            (
                '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                '<Default Extension="bin" ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/></Types>'
            ),
        )
        archive.writestr(
            "xl/workbook.bin",
            b"".join(
                [
                    record(131),
                    record(143),
                    record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("labs")),
                    record(144),
                    record(132),
                ]
            ),
        )
        archive.writestr(
            "xl/_rels/workbook.bin.rels",
            (
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f'<Relationship Id="rId1" Type="{kinds}/worksheet" Target="worksheets/sheet1.bin"/>'
                f'<Relationship Id="rId2" Type="{kinds}/styles" Target="styles.bin"/>'
                f'<Relationship Id="rId3" Type="{kinds}/sharedStrings" Target="sharedStrings.bin"/></Relationships>'
            ),
        )
        archive.writestr("xl/worksheets/sheet1.bin", b"".join(sheet))
        archive.writestr("xl/styles.bin", styles)
        archive.writestr("xl/sharedStrings.bin", shared)


@pytest.mark.parametrize("write", [xlsx, xlsx_of_shared_strings, xls, xlsb, ods, ods_without_styles])
def test_every_kind_of_workbook_gives_what_a_person_reads_and_counts_what_is_struck_out(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / f"labs.{write.__name__.partition('_')[0]}"
    write(path)
    [table] = open_tables(path, ReadSpec(), tmp_path)
    rows = CONNECTION.sql(f"select c0, c1, c2 from ({table.relation}) order by source_row limit 8").fetchall()
    assert rows == SEEN
    assert table.findings == (Finding("struck_out", "result", 1, 8), Finding("struck_out", "note", 1, 9))


def test_strings_of_an_old_workbook_that_go_on_in_a_second_record_keep_their_raised_text(tmp_path):
    [table] = open_tables(SAMPLES / "formatted.xls", ReadSpec(), tmp_path)
    assert CONNECTION.sql(f"select c2 from ({table.relation}) where source_row = 40").fetchone() == (
        "10¹²/L",
    )


PAGE = "<tr><td>test</td><td>unit</td></tr><tr><td><s>WBC</s></td><td>10<sup>9</sup>/L</td></tr>"
WORKBOOK_2003 = (
    '<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"'
    ' xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet" xmlns:html="http://www.w3.org/TR/REC-html40"><Styles>'
    '<Style ss:ID="s1"><Font ss:StrikeThrough="1"/></Style></Styles><Worksheet ss:Name="labs"><Table>'
    '<Row><Cell><Data ss:Type="String">test</Data></Cell><Cell><Data ss:Type="String">unit</Data></Cell></Row>'
    '<Row><Cell ss:StyleID="s1"><Data ss:Type="String">WBC</Data></Cell><Cell><ss:Data ss:Type="String">'
    "10<html:Sup>9</html:Sup>/L</ss:Data></Cell></Row></Table></Worksheet></Workbook>"
)


@pytest.mark.parametrize("content", [f"<table>{PAGE}</table>", WORKBOOK_2003])
def test_pages_and_xml_that_are_named_as_workbooks_too(content, tmp_path):
    path = tmp_path / "labs.xls"
    path.write_text(content)
    [table] = open_tables(path, ReadSpec(), tmp_path)
    assert CONNECTION.sql(table.relation).fetchall() == [(2, "WBC", "10⁹/L")]
    assert table.findings == (Finding("struck_out", "test", 1, 2),)


def test_struck_cells_are_counted_in_a_table_that_lies_on_its_side(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["id", "P1", "P2"])
    book.active.append([None, None, None])
    book.active.append(["CK", 10, 20])
    book.active["C3"].font = Font(strike=True)
    book.save(tmp_path / "side.xlsx")
    [table] = open_tables(tmp_path / "side.xlsx", ReadSpec(transposed=True), tmp_path)
    assert table.findings == (Finding("struck_out", "CK", 1, 3),)
