"""The manuscript's files: one number in all of them, templates, the same bytes, and what a fault leaves."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from docx import Document
from docxtpl import DocxTemplate
from openpyxl import load_workbook

from analytics.printed.codebook_table import Origin
from analytics.printed.printed_table import Cell, Column, PrintedTable, Row
from analytics.words.disclosure import Rounding
from orchestration.manuscript import latex, word, write
from orchestration.manuscript.contents import Contents, inside_contents, public_contents
from orchestration.manuscript.facts import Facts
from orchestration.manuscript.number_parts import P_FORMAT, parts_of
from orchestration.manuscript.workbook import sheet_names, to_workbook
from orchestration.report.page import ReleaseContent, read_release, render_report
from orchestration.report.public import publications
from tests import one_number
from tests.unit.report_fixture import STUDY, make_release

FACTS = Facts(
    hospitals=("North Hospital",),
    registry_hospitals=("North Hospital", "South Hospital"),
    eligibility={"NXP2⁺ JDM": "msa NXP2, onset group juvenile"},
    period="patients came between 2020-01-05 and 2022-03-01 and were seen until 2024-06-30",
    months="patients came between 2020-01 and 2022-03 and were seen until 2024-06",
    origins={"ck": Origin("result", "ck (Creatine kinase)", {"North Hospital": "labs.csv: CK (U/L)"})},
    replay="# a script\n",
    study_file="studies/nxp2.yml",
    study_sha256="0" * 64,
)
MADE_BY = {"release_sha256": "1" * 64, "small_cell_threshold": 5}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release") / "release.duckdb", threshold=5, small=True)


@pytest.fixture(scope="module")
def content(release: Path) -> ReleaseContent:
    return read_release(release)


@pytest.fixture(scope="module")
def inside(content: ReleaseContent) -> Contents:
    return inside_contents(content, FACTS)


@pytest.fixture(scope="module")
def public(content: ReleaseContent) -> Contents:
    found = publications(content, Rounding(5), None)[STUDY]
    return public_contents(content, FACTS, found, "month")


@pytest.fixture(scope="module")
def files(inside: Contents) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(write, "PRINT_DPI", 60)
        return dict(write.files_of(inside, FACTS, "r1"))


def test_a_number_is_the_same_in_results_report_word_and_workbook(
    release: Path, inside: Contents, files: dict[str, bytes], tmp_path: Path
) -> None:
    render_report(release, tmp_path / "report")
    results = one_number.in_results(release, STUDY)
    report = one_number.in_report(tmp_path / "report", STUDY)
    workbook = one_number.in_workbook(files["tables.xlsx"], list(inside.tables))
    document = one_number.in_word(files["manuscript.docx"], list(inside.tables))
    assert len(results) > 40 and results.items() <= report.items()
    assert len(document) > 100 and document.items() <= report.items()
    assert {c: n for c, n in report.items() if c[0] in inside.tables} == {
        c: n for c, n in workbook.items() if c[0] in inside.tables
    }


def test_a_p_value_in_the_workbook_is_the_number_of_results(inside: Contents) -> None:
    sheet = load_workbook(io.BytesIO(to_workbook([inside.tables["table_i"]], ["table_i"], [])))["table_i"]
    held = [c for row in sheet.iter_rows() for c in row if c.number_format == P_FORMAT]
    assert {0.0004, 0.004} <= {c.value for c in held}
    assert all(isinstance(c.value, int | float) for c in held)


@pytest.mark.parametrize(
    ("text", "numbers", "formats"),
    [
        ("31.33 ± 11.80", [31.33, 11.8], ["0.00", '"± "0.00;"± -"0.00']),
        ("-2.8 (-17.3 to 11.7)", [-2.8, -17.3, 11.7], ["0.0", '"("0.0" to";"(-"0.0" to"', '0.0")"']),
        ("4 (22.22)", [4, 22.22], ["0", '"("0.00")";"(-"0.00")"']),
        ("<0.10 (<0.10, 1.18)", [None, None, 1.18], ["0.00", '"("0.00",";"(-"0.00","', '0.00")"']),
        ("25.3 (2.66 to ∞)", [25.3, 2.66, None], None),
        ("18 of 20", [18, 20], None),
        ("not estimable", [None], None),
        ("", [], None),
    ],
)
def test_a_printed_text_is_taken_apart_into_its_numbers(
    text: str, numbers: list[float | None], formats: list[str] | None
) -> None:
    parts = parts_of(text)
    assert [part.number for part in parts] == numbers
    assert " ".join(part.whole for part in parts) == text.replace(" (", " (")
    if formats:
        assert [part.format for part in parts] == formats


def test_sheets_are_called_differently_whatever_their_length_and_capitals() -> None:
    names = sheet_names(["a" * 40, "a" * 41, "A" * 31, "Contents", "x/y"])
    assert len({n.lower() for n in names}) == 5 and all(len(n) <= 31 for n in names)
    assert names[-1] == "x_y"


def test_the_same_contents_give_the_same_bytes(
    inside: Contents, content: ReleaseContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "PRINT_DPI", 60)
    for name in ("one", "two"):
        write.write_folder(tmp_path / name, inside, FACTS, content, MADE_BY)
    one, two = ({p.relative_to(f): p.read_bytes() for p in sorted(f.rglob("*")) if p.is_file()}
                for f in (tmp_path / "one", tmp_path / "two"))  # fmt: skip
    assert one == two
    manifest = json.loads(one.pop(Path("manifest.json")))
    assert manifest["files"] == {str(name): hashlib.sha256(data).hexdigest() for name, data in one.items()}
    assert {str(name) for name in one} >= {
        "manuscript.docx", "manuscript.tex", "tables.xlsx", "tables/table_i.tex", "methods.txt", "strobe.docx",
        "codebook.csv", "replay/replay.R", *(f"figures/relapse_curve_{w}in.{k}" for w in ("7", "3.35") for k in ("pdf", "svg", "png")),
    }  # fmt: skip


def test_no_time_of_writing_is_in_a_zipped_document(files: dict[str, bytes]) -> None:
    for name in ("manuscript.docx", "tables.xlsx"):
        with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_print_figure_is_as_wide_as_it_says_and_keeps_its_letters(inside: Contents) -> None:
    figure = inside.figures["relapse_curve"]
    for narrow, inches in ((False, 7.0), (True, 3.35)):
        png = figure.render("png", 100, narrow=narrow)
        assert int.from_bytes(png[16:20]) == pytest.approx(inches * 100, abs=1)
        assert b"<text" in figure.render("svg", narrow=narrow)


def test_word_repeats_headers_merges_them_and_draws_three_rules(files: dict[str, bytes]) -> None:
    document = Document(io.BytesIO(files["manuscript.docx"]))
    xml = document.tables[0]._tbl.xml
    assert xml.count("<w:tblHeader") == 2 and "w:gridSpan" in xml and 'w:vMerge w:val="restart"' in xml
    assert len(set(re.findall(r'<w:(?:top|bottom) w:val="single" w:sz="(\d+)"', xml))) == 2
    assert "w:insideV" not in xml and "w:left w:val" not in xml
    assert any("Synthetic data" in p.text for p in document.paragraphs)


def test_the_checklist_says_what_the_run_knows_and_leaves_the_rest_to_authors(inside: Contents) -> None:
    said = {row.cell("item").text: row.cell("said").text for row in inside.strobe.rows}
    assert "North Hospital" in said["5"] and "South" not in said["5"] and "between 2020-01-05" in said["5"]
    assert "NXP2⁺ JDM 18" in said["13a"] and "9 of 18" in said["15"]
    assert said["22"] == "To be written by the authors."


def test_what_leaves_the_house_is_rounded_in_checklist_codebook_and_methods(public: Contents) -> None:
    said = {row.cell("item").text: row.cell("said").text for row in public.strobe.rows}
    told = "\n".join([*said.values(), *(text for _, text in public.methods)])
    assert "South Hospital" in said["5"], "which hospitals the patients come from tells of patients"
    assert "NXP2⁺ JDM 20" in said["13a"] and "between 2020-01 and" in said["5"]
    assert not re.search(r"\b(18|12|62)\b", told.replace("between 2020-01 and 2022-03", ""))
    assert said["19"] == "To be written by the authors."
    shares = {row.cell(c.key).text for row in public.codebook.rows for c in public.codebook.columns if c.key.endswith("_missing")}  # fmt: skip
    assert all(s in ("–", "not shown") or int(s) % 5 == 0 for s in shares)


def test_dates_leave_as_the_registry_says(content: ReleaseContent) -> None:
    found = publications(content, Rounding(5), None)[STUDY]
    said = {
        dates: dict(public_contents(content, FACTS, found, dates).methods)["Design"]
        for dates in ("exact", "month", "shifted")
    }
    assert "2020-01-05" in said["exact"] and "2020-01 and" in said["month"] and "2020" not in said["shifted"]
    before = replace(found, release_id="earlier")
    assert "2020" not in dict(public_contents(content, FACTS, before, "month").methods)["Design"]


def test_the_codebook_names_concept_unit_columns_and_share_missing(inside: Contents) -> None:
    row = next(r for r in inside.codebook.rows if r.cell("variable").text == "ck")
    cells = {c.csv_name: row.cell(c.key).text for c in inside.codebook.columns}
    assert cells["Concept"] == "ck (Creatine kinase)" and cells["Unit"] == "U/L"
    assert cells["Source columns: North Hospital"] == "labs.csv: CK (U/L)"
    assert cells["Missing, %: NXP2⁺ JDM"] == "0.0"
    relapse = next(r for r in inside.codebook.rows if r.cell("variable").text == "relapse")
    assert relapse.cell("nxp2_jdm_missing").text == "16.7", "3 of 18"


AWKWARD = PrintedTable(
    "awkward",
    "100% of_what & {why}",
    (
        Column("a", "Variable"),
        Column("b", "n", spanner="A vs B", align="right"),
        Column("c", "p", spanner="A vs B", align="right"),
        Column("d", "test"),
    ),
    (
        Row({"a": "TIF1γ⁺, ×10⁹/L", "b": Cell("-3 ± 1", notes=("why",)), "c": "<0.001", "d": "[t]"}, group="G_1"),
        Row({"a": "[a row", "b": "\\", "c": "≥0.05", "d": "~^#$"}, group="G_1", indent=True),
    ),
    notes=("A note.",),
)  # fmt: skip


def test_latex_has_a_cell_per_column_closes_what_it_opens_and_escapes_what_is_special() -> None:
    source = latex.to_latex(AWKWARD, "from a test")
    opened = re.findall(r"\\begin\{(\w+)\}", source)
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", source)) and "longtable" in opened
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\cmidrule(lr){2-3}"):
        assert rule in source
    body = source[source.index(r"\endfoot") : source.index(r"\end{longtable}")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [3, 3]
    assert r"$-$3 $\pm$ 1\textsuperscript{a}" in body and r"TIF1$\gamma$\textsuperscript{+}" in body
    assert r"100\% of\_what \& \{why\}" in source
    assert r"\textasciitilde{}\textasciicircum{}\#\$" in body and r"{}[t]" in body


def form(path: Path, *paragraphs: str) -> Path:
    document = Document()
    for text in paragraphs:
        document.add_paragraph(text)
    document.save(path)
    return path


def writing(contents: Contents) -> word.Writing:
    lists = {"strobe": contents.strobe, "codebook": contents.codebook}
    return word.Writing(contents.texts, contents.methods, contents.tables, {}, lists)


def test_a_template_is_filled_in_its_places(inside: Contents, tmp_path: Path) -> None:
    template = form(tmp_path / "form.docx", "On {{ title }} ({{ release }})", "{{ table_i }}", "The end")
    document = Document(io.BytesIO(word.filled(template, writing(inside))))
    texts = [p.text for p in document.paragraphs if p.text]
    assert texts[0].startswith("On NXP2⁺ juvenile") and texts[0].endswith(f"({inside.release})")
    assert texts[1] == inside.tables["table_i"].title and texts[-1] == "The end"
    assert len(document.tables) == 1


def test_a_wide_table_turns_the_page_and_the_page_is_turned_back(inside: Contents, tmp_path: Path) -> None:
    template = form(tmp_path / "form.docx", "Before", "{{ tables }}", "After")
    sections = Document(io.BytesIO(word.filled(template, writing(inside)))).sections
    assert inside.tables["table_i"].is_wide and not inside.tables["table_iii"].is_wide
    widths = [s.page_width > s.page_height for s in sections]
    assert widths[0] is False and widths[-1] is False and True in widths
    assert {s.left_margin for s in sections} == {sections[0].left_margin}


def test_the_order_in_which_a_template_is_read_changes_no_byte(
    inside: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of placeholders come as a set, whose order changes from process to process."""
    names = ["table_i", "one", "two"]
    template = form(tmp_path / "form.docx", *(f"{{{{ {name} }}}}" for name in names))
    figure = inside.figures["relapse_curve"]
    pictures = {n: word.Picture(n, n, "", "", figure.render("png", 20 + i)) for i, n in enumerate(names[1:])}
    made = []
    for asked in (names, names[::-1]):
        keys = dict.fromkeys(asked).keys()
        monkeypatch.setattr(DocxTemplate, "get_undeclared_template_variables", lambda *_, keys=keys: keys)
        made.append(word.filled(template, replace(writing(inside), pictures=pictures)))
    assert made[0] == made[1]


def test_a_table_in_a_cell_of_the_template_stays_in_it(inside: Contents, tmp_path: Path) -> None:
    document = Document()
    document.add_table(1, 1).cell(0, 0).text = "{{ table_i }}"
    document.save(tmp_path / "form.docx")
    made = Document(io.BytesIO(word.filled(tmp_path / "form.docx", writing(inside))))
    assert len(made.sections) == 1
    assert len(made.tables) == 1 and len(made.tables[0].cell(0, 0).tables) == 1


@pytest.mark.parametrize(
    ("paragraphs", "said"),
    [
        (
            ["{{ title }}"],
            "no placeholder of a table: write {{ tables }} in a paragraph of its own. It may name",
        ),
        (["{{ tables }}", "{{ tabel_i }}"], "no placeholder {{ tabel_i }}; did you mean {{ table_i }}?"),
        (["See {{ table_i }} here"], "{{ table_i }} must stand alone in its paragraph"),
        (["{{ tables }}", "{% for x %}"], "write each placeholder as"),
        (["{{ tables }}", "{{ title.__class__.__mro__ }}"], "form.docx: "),
    ],
    ids=["no table", "unknown name", "in a sentence", "broken", "code"],
)
def test_a_template_that_cannot_be_filled_is_told_with_what_to_do(
    inside: Contents, tmp_path: Path, paragraphs: list[str], said: str
) -> None:
    with pytest.raises(word.TemplateError, match=re.escape(said)):
        word.filled(form(tmp_path / "form.docx", *paragraphs), writing(inside))


def test_a_file_that_is_no_word_document_is_told_and_leaves_nothing(
    inside: Contents, content: ReleaseContent, tmp_path: Path
) -> None:
    (tmp_path / "form.docx").write_text("no zip")
    with pytest.raises(write.CannotWrite, match=r"cannot be read as a Word document"):
        write.write_folder(tmp_path / "new" / "out", inside, FACTS, content, MADE_BY, tmp_path / "form.docx")
    assert [p.name for p in tmp_path.iterdir()] == ["form.docx"]


def test_a_process_that_breaks_halfway_leaves_nothing(
    inside: Contents, content: ReleaseContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError("disk full")

    monkeypatch.setattr(write, "to_workbook", broken)
    with pytest.raises(OSError, match="disk full"):
        write.write_folder(tmp_path / "out", inside, FACTS, content, MADE_BY)
    assert list(tmp_path.iterdir()) == []


def test_what_is_published_is_recorded_before_the_folder_can_be_seen(
    inside: Contents, content: ReleaseContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "files_of", lambda *_: iter([("manuscript.docx", b"")]))
    seen: list[bool] = []

    def keep() -> None:
        seen.append((tmp_path / "out").exists())

    write.write_folder(tmp_path / "out", inside, FACTS, content, MADE_BY, keep=keep)
    assert seen == [False] and (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: (p.mkdir(), (p / "mine.docx").write_text("edited")), "is not empty"),
        (lambda p: p.write_text("a file"), "is a file"),
    ],
    ids=["a folder with files", "a file"],
)
def test_what_is_there_is_never_overwritten(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path / "out")
    with pytest.raises(write.CannotWrite, match=said):
        write._refuse_output(tmp_path / "out")
