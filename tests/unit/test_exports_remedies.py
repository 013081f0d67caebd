"""A file that is refused says which key of the mapping makes it readable; written so, it is read."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from orchestration.exports import ExportFault, ReadSpec, open_tables

EXPORTS = Path(__file__).parents[2] / "orchestration" / "exports"
TABLE = "id,CK,LDH\n1,10,20\n2,11,21\n3,12,22\n"
COLUMNS = ("id", "CK", "LDH")
CHINESE = "编号,检验项目,结果\n1,肌酸激酶,10\n".encode("gb18030")


def zipped() -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("labs_2024.csv", TABLE)
    return content.getvalue()


def workbook(hidden: bool = False) -> bytes:
    book = Workbook()
    book.active.title = "Labs"
    for line in TABLE.splitlines():
        book.active.append(line.split(","))
    if hidden:
        book.create_sheet("Empty")
        book["Labs"].sheet_state = "hidden"
        book.active = 1
    content = BytesIO()
    book.save(content)
    return content.getvalue()


@dataclass(frozen=True)
class Case:
    rule: str
    file: str
    content: bytes | Callable[[], bytes]
    says: str
    before: dict[str, Any]
    after: dict[str, Any]
    columns: tuple[str, ...] = COLUMNS


CASES = (
    Case("missing_member", "labs.zip", zipped, "Correct `member`. Did you mean \"labs_2024.csv\"?", {"member": "labs_2023.csv"}, {"member": "labs_2024.csv"}),
    Case("missing_sheet", "labs.xlsx", workbook, "Correct `sheet`", {"sheet": "Lab"}, {"sheet": "Labs"}),
    Case("empty_file", "labs.xlsx", lambda: workbook(hidden=True), "name in `sheet` a sheet that is hidden", {}, {"sheet": "Labs"}),
    Case("unnamed_column", "labs.csv", b"Results,,\nid,CK,LDH\n1,10,20\n", "`skip_rows` if the header is elsewhere", {}, {"skip_rows": 1}),
    Case("unnamed_column", "labs.csv", b"id,CK,,LDH\n,first,second,\n1,10,11,20\n", "say `header_rows`", {}, {"header_rows": 2}, ("id", "CK / first", "CK / second", "LDH")),
    Case("duplicate_header", "labs.csv", b"id,CK,CK,CK [2]\n,first,second,third\n1,10,11,20\n", "Write `header_rows: 2` where the row below says which is which", {}, {"header_rows": 2}, ("id", "CK / first", "CK / second", "CK [2] / third")),
    Case("too_many_columns", "labs.csv", ("id," + ",".join(f"{n}" for n in range(17_000)) + "\nCK," + ",".join("7" for _ in range(17_000)) + "\n").encode(), "whether the table lies on its side (`transposed`)", {}, {"transposed": True}, ("id", "CK")),
    Case("too_many_columns", "labs.csv", ("id,CK\n" + "1,2\n" * 20_000).encode(), "Leave `transposed` out", {"transposed": True}, {}, ("id", "CK")),
    Case("no_header", "labs.csv", b",,\nid,CK,LDH\n1,10,20\n", "Say with `skip_rows` how many rows stand above the header", {}, {"skip_rows": 1}),
    Case("no_header", "labs.csv", TABLE.encode(), "Correct `skip_rows`", {"skip_rows": 9}, {}),
    Case("no_header", "labs.xlsx", workbook, "Correct `skip_rows`", {"skip_rows": 9}, {}),
    Case("double_encoded", "labs.csv", "id,Créatine kinase é\n1,2\n".encode(), "State `encoding` if it was detected or stated wrongly", {"encoding": "latin-1"}, {"encoding": "utf-8"}, ("id", "Créatine kinase é")),
    Case("mostly_malformed", "labs.csv", b"Results of 2024\n" + TABLE.encode(), "Say with `skip_rows` how many rows stand above the header", {}, {"skip_rows": 1}),
    Case("undecidable_encoding", "labs.csv", b"id,note\n1,\xb5\xb6\n", "State `encoding` for this file", {}, {"encoding": "gb18030"}, ("id", "note")),
    Case("unknown_encoding", "labs.csv", CHINESE, "Correct `encoding`", {"encoding": "gb-18"}, {"encoding": "gb18030"}, ("编号", "检验项目", "结果")),
    Case("wrong_encoding", "labs.csv", b"\xff\xfe" + TABLE.encode("utf-16-le"), "leave it out to have it detected", {"encoding": "utf-8"}, {}),
    Case("wrong_format", "labs.csv", TABLE.encode(), "Correct `format`, or leave it out", {"format": "xlsx"}, {}),
    Case("unclosed_quote", "labs.csv", b'id,"CK,LDH\n1,10,20\n', '`quote: ""` if quotes are plain text here', {}, {"quote": ""}, ("id", '"CK', "LDH")),
    Case("missing_column", "labs.csv", b"id,CK,LDH\n1,10,20\n,11,21\n", "Correct `fill_down`", {"fill_down": ["Id"]}, {"fill_down": ["id"]}),
)  # fmt: skip
ASK_ONLY = {
    "no_rows",
    "unreadable_file",
}  # the key beside "ask again" says that a file may be left out, or is of SAS
UNBALANCED = "unbalanced_quotes"


@pytest.mark.parametrize("case", CASES, ids=[f"{n}_{c.rule}" for n, c in enumerate(CASES)])
def test_the_key_that_a_refusal_names_makes_the_file_readable(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.file
    path.write_bytes(case.content if isinstance(case.content, bytes) else case.content())
    with pytest.raises(ExportFault) as refused:
        open_tables(path, ReadSpec(**case.before), tmp_path)
    assert (refused.value.rule, case.says in str(refused.value)) == (case.rule, True), str(refused.value)
    [table] = open_tables(path, ReadSpec(**case.after), tmp_path)
    assert tuple(table.columns) == case.columns


def test_every_rule_that_names_a_key_is_tried_here() -> None:
    named = set()
    for path in EXPORTS.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ExportFault":
                remedy = next((k.value for k in node.keywords if k.arg == "remedy"), None)
                if remedy is not None and "`" in (ast.get_source_segment(source, remedy) or ""):
                    rules = [
                        a.value
                        for a in ast.walk(node.args[0])
                        if isinstance(a, ast.Constant) and isinstance(a.value, str)
                    ]
                    named |= set(rules)
    assert named - {case.rule for case in CASES} - ASK_ONLY <= {UNBALANCED}
