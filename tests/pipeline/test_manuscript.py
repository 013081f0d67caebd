"""`myositis manuscript` on the shipped registry: one number in every output, and what a fault gets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestration.command import cli
from orchestration.manuscript import write
from orchestration.manuscript.facts import facts_of
from orchestration.outward.publication import publish_current
from orchestration.registry.folder import Registry
from orchestration.registry.publish import read_address
from tests import one_number
from tests.postgresql import PASSWORD, started
from tests.registries import copy_as_it_stands

STUDY = "nxp2"


def call(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.guarded(lambda: cli.app(["manuscript", *arguments], standalone_mode=False) or 0)
    seen = capsys.readouterr()
    return code, seen.out, " ".join(seen.err.replace("│", " ").split())


@pytest.fixture(scope="module")
def registry(shipped_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """For tests that make files beside the release and change none of the registry's."""
    return copy_as_it_stands(shipped_folder, tmp_path_factory.mktemp("manuscript") / "registry")


@pytest.fixture(scope="module")
def inside(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(write, "PRINT_DPI", 60)
        output = tmp_path_factory.mktemp("inside") / "out"
        return write.write_manuscript(registry, write.Asked(STUDY, output, is_inside=True))


def test_every_number_is_the_same_in_results_report_word_workbook_and_postgresql(
    registry: Registry, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Add an output by its function in `tests/one_number.py`."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with started() as server:
        publish_current(registry, read_address(server.address()))
        with server.connect() as connection:
            postgresql = one_number.in_postgresql(connection, STUDY)
    release = (registry.releases / "current.duckdb").resolve()
    report = one_number.in_report(registry.reports / "current", STUDY)
    tables = tables_in(inside)
    workbook = one_number.in_workbook((inside / "tables.xlsx").read_bytes(), tables)
    document = one_number.in_word((inside / "manuscript.docx").read_bytes(), tables)
    results = one_number.in_results(release, STUDY)
    assert len(results) > 500
    assert {table for table, *_ in results} == {"table_i", "table_ii", "table_iii", "relapse_survival"}
    for output in (report, workbook, document, postgresql):
        assert {cell: n for cell, n in results.items() if output.get(cell) != n} == {}
    assert len(document) > 1500 and document.items() <= report.items()
    assert {c: n for c, n in report.items() if c[0] in tables} == {
        c: n for c, n in workbook.items() if c[0] in tables
    }


def tables_in(folder: Path) -> list[str]:
    """The names of the tables in their order, as the manifest lists their files."""
    files = [Path(name) for name in json.loads((folder / "manifest.json").read_text())["files"]]
    return [path.stem for path in files if path.parent.name == "tables"]


def test_the_manifest_names_release_study_file_and_versions(registry: Registry, inside: Path) -> None:
    manifest = json.loads((inside / "manifest.json").read_text())
    made = json.loads((registry.releases / "current.duckdb").resolve().with_suffix(".json").read_text())
    assert manifest["release_id"] == made["release_id"] and manifest["release_sha256"] == made["sha256"]
    assert manifest["study_file"] == {"name": "studies/nxp2.yml", "sha256": made["studies"][STUDY]}
    assert manifest["versions"]["duckdb"] and manifest["versions"]["python-docx"]
    assert manifest["may_leave_the_house"] is False


def test_a_figure_and_a_table_of_one_name_have_a_placeholder_each(inside: Path) -> None:
    tables = {path.stem for path in (inside / "tables").iterdir()}
    figures = {path.name.removesuffix("_7in.pdf") for path in (inside / "figures").glob("*_7in.pdf")}
    assert "relapse_models" in tables and "relapse_models_figure" in figures and not tables & figures


def test_the_codebook_leads_to_each_hospitals_columns(registry: Registry) -> None:
    release = (registry.releases / "current.duckdb").resolve()
    facts = facts_of(registry, release, registry.studies[STUDY])
    children, adults = (m.name for m in registry.mappings.values())
    ck = facts.origins["ck"]
    assert ck.concept == "ck (Creatine kinase)"
    assert ck.columns[children] == '检验结果_*.csv: 结果 where 项目名称 is "肌酸激酶"'
    assert ck.columns[adults] == "synthetic_visits.csv: CK (µkat/L)"
    assert facts.origins["cmas"].columns[children].startswith("皮肌炎登记_*.xlsx › 就诊记录: CMAS评分")
    assert all(origin.columns for origin in facts.origins.values())
    assert facts.hospitals == (children, adults)


def test_the_script_in_r_holds_no_row_of_a_patient_and_its_frames_stay(
    registry: Registry, inside: Path
) -> None:
    replays = next(registry.replays.glob(f"r*/{STUDY}"))
    assert (inside / "replay" / "replay.R").read_bytes() == (replays / "replay.R").read_bytes()
    assert [p.name for p in (inside / "replay").iterdir()] == ["replay.R"]
    assert f"private/replay/{replays.parent.name}/{STUDY}/" in (inside / "README.txt").read_text()


def test_a_study_that_is_not_there_is_exit_2_with_those_that_are(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call("nxp3", "--registry", str(registry.folder), capsys=capsys)
    assert code == 2 and 'no study "nxp3" in this registry; its studies: nxp2' in err


def test_a_folder_that_is_not_empty_stays_as_it_is(
    registry: Registry, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(inside.rglob("*"))
    code, _, err = call(STUDY, "--registry", str(registry.folder), "--output", str(inside), capsys=capsys)
    assert code == 2 and "is not empty" in err
    assert sorted(inside.rglob("*")) == before


def test_a_template_that_is_missing_is_told(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(
        STUDY, "--registry", str(registry.folder), "--template", str(tmp_path / "none.docx"),
        "--output", str(tmp_path / "out"), capsys=capsys,
    )  # fmt: skip
    assert code == 2 and "no such template" in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda r: _append(r.releases.glob("r*.duckdb"), b"x"), "is damaged"),
        (lambda r: _append(r.folder.glob("studies/nxp2.yml"), b"# changed\n"), "has changed since release"),
        (lambda r: shutil.rmtree(r.releases), "there is no release yet; make one with: myositis run"),
    ],
    ids=["a damaged release", "a changed study file", "no release"],
)
def test_what_the_manuscript_cannot_be_made_of_is_told_and_nothing_is_written(
    shipped_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: object, said: str
) -> None:
    registry = copy_as_it_stands(shipped_folder, tmp_path / "registry")
    harm(registry)  # type: ignore[operator]
    code, _, err = call(STUDY, "--registry", str(registry.folder), capsys=capsys)
    assert code == 2 and said in err
    assert not registry.manuscripts.exists()


def _append(files: object, data: bytes) -> None:
    for path in files:  # type: ignore[attr-defined]
        path.chmod(0o600)
        with path.open("ab") as file:
            file.write(data)
