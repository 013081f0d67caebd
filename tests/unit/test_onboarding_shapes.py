"""What `onboard` makes of tables that do not lie plainly: merged headers, turned tables, title rows, prose,
broken sheets; and of names that tell who somebody is. All names and numbers are invented.
"""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from orchestration.command.cli import app
from orchestration.onboarding.layout import lay_out
from orchestration.onboarding.shapes import Shape, lies_on_its_side, shape_of
from orchestration.registry.mapping import Mapping
from orchestration.registry.mapping_file import read_mapping

ROWS = [[f"P{i}", "f", f"2021-03-{i:02d}", 100 + i] for i in range(1, 8)]
HEADER = ["PatID", "Sex", "Date", "CK (U/L)"]
SOMEBODY = ("Mueller", "Anna", "05.05.2010", "Schmidt", "110101199003071233")


def onboarded(folder: Path, *options: str) -> tuple[Mapping, str, str]:
    """The draft from ``folder/sample``: as a mapping, as text, and what was told on the screen."""
    lay_out(folder / "registry")
    result = CliRunner().invoke(
        app, ["onboard", "h", str(folder / "sample"), "--registry", str(folder / "registry"), *options]
    )
    assert result.exit_code == 0, result.output
    path = folder / "registry" / "hospitals" / "h.yml"
    return read_mapping(path, "h.yml"), path.read_text(encoding="utf-8"), result.output


def workbook(folder: Path, sheets: dict[str, list[list]], name: str = "data.xlsx") -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    (folder / "sample").mkdir(exist_ok=True)
    book.save(folder / "sample" / name)
    return folder / "sample" / name


def test_a_header_of_groups_over_names_is_proposed_as_two_rows(tmp_path: Path) -> None:
    workbook(
        tmp_path,
        {
            "visits": [
                ["PatID", "Baseline", None, "Month 6", None],
                [None, "CK (U/L)", "ALT (U/L)", "CK (U/L)", "ALT (U/L)"],
                *([f"P{i}", 100 + i, 30 + i, 90 + i, 20 + i] for i in range(6)),
            ]
        },
    )
    mapping, text, _ = onboarded(tmp_path)
    assert [x.header_rows for x in mapping.exports] == [2]
    assert '"Baseline / CK (U/L)"' in text or "Baseline / CK (U/L)" in text


def test_a_row_of_units_below_the_names_is_a_part_of_the_header(tmp_path: Path) -> None:
    workbook(
        tmp_path,
        {"labs": [["PatID", "CK", "ALT"], [None, "U/L", "U/L"], *([f"P{i}", 100 + i, 30] for i in range(6))]},
    )
    mapping, _, _ = onboarded(tmp_path)
    assert [x.header_rows for x in mapping.exports] == [2]


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_table_that_lies_on_its_side_is_proposed_as_transposed(tmp_path: Path, kind: str) -> None:
    rows = [
        ["PatID", "P1", "P2", "P3", "P4"],
        ["Sex", "f", "m", "f", "f"],
        ["CK (U/L)", 1, 2, 3, 4],
        ["ALT (U/L)", 5, 6, 7, 8],
    ]
    if kind == "xlsx":
        workbook(tmp_path, {"labs": rows})
    else:
        (tmp_path / "sample").mkdir()
        (tmp_path / "sample" / "labs.csv").write_text(
            "\n".join(",".join(map(str, row)) for row in rows), encoding="utf-8"
        )
    mapping, _, _ = onboarded(tmp_path)
    assert [x.transposed for x in mapping.exports] == [True]
    assert {"sex"} <= set(dict(mapping.exports[0].patients.fields())) and set(
        mapping.exports[0].observations.values
    ) == {"ck", "alt"}


def test_a_plain_table_and_a_list_of_fields_lie_as_they_are() -> None:
    plain = [["PatID", "CK", "ALT"], ["P1", "10", "20"], ["P2", "11", "21"]]
    assert shape_of(plain) == Shape()
    assert not lies_on_its_side(
        [["field", "label", "note"], ["sex", "Sex", "as born"], ["ck", "CK", "in serum"]]
    )


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_title_row_is_skipped_and_never_named(tmp_path: Path, kind: str) -> None:
    title = ["Patient: Mueller, Anna 05.05.2010", None, None, None]
    if kind == "xlsx":
        workbook(tmp_path, {"labs": [title, HEADER, *ROWS]})
    else:
        (tmp_path / "sample").mkdir()
        lines = [title[0], *(",".join(map(str, row)) for row in [HEADER, *ROWS])]
        (tmp_path / "sample" / "labs.csv").write_text("\n".join(lines), encoding="utf-8")
    mapping, text, told = onboarded(tmp_path)
    assert [x.skip_rows for x in mapping.exports] == [1]
    assert [name for name in SOMEBODY if name in text + told] == []


def test_sheets_alike_are_one_export_and_no_name_of_theirs_is_written(tmp_path: Path) -> None:
    workbook(
        tmp_path,
        {"Mueller Anna 05.05.2010": [HEADER, *ROWS[:3]], "Schmidt Ben": [HEADER, *ROWS[3:]]},
        "Schmidt Ben.xlsx",
    )
    mapping, text, told = onboarded(tmp_path)
    assert [(x.file, x.sheet) for x in mapping.exports] == [("*.xlsx", "*")]
    assert "7 rows in 2 sheets alike" in text
    assert [name for name in SOMEBODY if name in text + told] == []


def test_files_alike_are_one_export(tmp_path: Path) -> None:
    for name, rows in (("Mueller_Anna.csv", ROWS[:3]), ("Schmidt_Ben.csv", ROWS[3:])):
        (tmp_path / "sample").mkdir(exist_ok=True)
        (tmp_path / "sample" / name).write_text(
            "\n".join(",".join(map(str, r)) for r in [HEADER, *rows]), encoding="utf-8"
        )
    (tmp_path / "sample" / "drugs.csv").write_text(
        "PatID,Drug,Dose\n" + "P1,prednisone,10\n" * 6, encoding="utf-8"
    )
    mapping, text, told = onboarded(tmp_path)
    assert sorted(x.file for x in mapping.exports) == ["[MS]*.csv", "drugs.csv"]
    assert [name for name in SOMEBODY if name in text + told] == []


def test_a_sheet_of_prose_is_passed_over_with_a_note_and_the_others_are_drafted(tmp_path: Path) -> None:
    prose = [["This workbook was made by hand."], ["Please ask the study nurse about the values of 2019."]]
    workbook(tmp_path, {"README": prose, "labs": [HEADER, *ROWS]})
    mapping, _, told = onboarded(tmp_path)
    assert [(x.sheet, x.is_ignored) for x in mapping.exports] == [("labs", False), ("README", True)]
    assert "data.xlsx [README]: text, and no table" in told


def test_two_sheets_that_cannot_be_read_leave_a_draft_that_can(tmp_path: Path) -> None:
    """Their two sentences were one comment of two lines, of which the second was no comment."""
    nameless = [["PatID", "CK", "CK", "CK [2]"], ["P1", "1", "2", "3"], ["P2", "3", "4", "5"]]
    workbook(tmp_path, {"labs": [HEADER, *ROWS], "one": nameless, "two": nameless})
    mapping, text, _ = onboarded(tmp_path)
    assert [x.sheet for x in mapping.exports] == ["labs"]
    assert text.count("# could not be read: ") == 2


def test_a_draft_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    workbook(tmp_path, {"labs": [HEADER, *ROWS]})
    onboarded(tmp_path)
    target = tmp_path / "registry" / "hospitals" / "h.yml"
    target.write_text("sender: h\n", encoding="utf-8")
    refused = CliRunner().invoke(
        app, ["onboard", "h", str(tmp_path / "sample"), "--registry", str(tmp_path / "registry")]
    )
    assert refused.exit_code != 0 and target.read_text(encoding="utf-8") == "sender: h\n"
    mapping, _, _ = onboarded(tmp_path, "--replace")
    assert mapping.exports


def test_a_column_that_is_called_as_a_patient_is_drafted_by_a_letter(tmp_path: Path) -> None:
    workbook(
        tmp_path,
        {"labs": [[*HEADER, "Mueller Anna", "110101199003071233"], *([*row, "x", "y"] for row in ROWS)]},
    )
    mapping, text, told = onboarded(tmp_path)
    assert [name for name in SOMEBODY if name in text + told] == []
    assert "M*" in mapping.exports[0].undecided
