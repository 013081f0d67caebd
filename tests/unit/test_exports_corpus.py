"""The corpus of deliberately broken exports: each file's outcome is exactly what `expected.yml` says."""

from __future__ import annotations

import csv
import resource
import time
from pathlib import Path

import duckdb
import pytest
import yaml

from orchestration.exports import ExportFault, ReadSpec, SourceTable, open_tables
from tests.broken_exports.make import MADE

CORPUS = Path(__file__).parents[1] / "broken_exports"
EXPECTED = yaml.safe_load((CORPUS / "expected.yml").read_text())
CONNECTION = duckdb.connect()
SECONDS = 30  # the slowest takes 2; a machine that does other things is given time
MEGABYTES = 200  # beyond what the process had


@pytest.fixture
def place(tmp_path):
    """Puts a file of the corpus into a folder of its own and returns its path and a folder to work in."""

    def placing(name: str) -> tuple[Path, Path]:
        path = tmp_path / name
        path.write_bytes(MADE[name]() if name in MADE else (CORPUS / "files" / name).read_bytes())
        workdir = tmp_path / "work"
        workdir.mkdir(exist_ok=True)
        return path, workdir

    return placing


def told(fault: ExportFault, name: str) -> dict:
    found = {
        "rule": fault.rule,
        "file": fault.file,
        "sheet": fault.sheet,
        "row": fault.row,
        "column": fault.column,
    }
    return {
        key: value for key, value in found.items() if value is not None and (key, value) != ("file", name)
    }


def held(table: SourceTable, name: str) -> dict:
    rows = CONNECTION.sql(f"select * from ({table.relation}) order by source_row").fetchall()
    assert len(rows) == table.rows
    found = {
        "file": table.file if table.file != name else None,
        "sheet": table.sheet,
        "format": table.format,
        "encoding": table.encoding,
        "columns": list(table.columns),
        "rows": [list(row) for row in rows],
        "malformed": [[line.source_row, line.rule] for line in table.malformed],
        "findings": [[finding.rule, finding.column, finding.count] for finding in table.findings],
    }
    return {key: value for key, value in found.items() if value}


@pytest.mark.parametrize("case", EXPECTED, ids=[case["file"] for case in EXPECTED])
def test_outcome_is_the_one_expected_in_bounded_memory_and_time(case, place):
    path, workdir = place(case["file"])
    spec = ReadSpec(**case.get("read", {}))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        tables = open_tables(path, spec, workdir)
    except ExportFault as fault:
        others = [told(other, path.name) for other in fault.others]
        found = {"refused": told(fault, path.name), "also": others}
    else:
        found = {"tables": [held(table, path.name) for table in tables]}
    expected = {key: case[key] for key in ("refused", "also", "tables") if key in case}
    assert {key: value for key, value in found.items() if value} == expected
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES
    assert time.monotonic() - started < SECONDS


def test_every_file_has_an_outcome_and_every_outcome_a_file():
    files = {path.name for path in (CORPUS / "files").iterdir() if path.name != ".gitattributes"}
    assert len(EXPECTED) >= 60
    assert sorted(case["file"] for case in EXPECTED) == sorted(files | MADE.keys())


def test_every_rule_that_rejects_a_line_says_what_was_expected_and_what_to_do():
    used = {
        rule
        for case in EXPECTED
        for table in case.get("tables", [])
        for _, rule in table.get("malformed", [])
    }
    with (CORPUS.parents[1] / "dbt_project" / "seeds" / "rejection_rules.csv").open(encoding="utf-8") as file:
        known = {row["rule"] for row in csv.DictReader(file) if row["expected"] and row["remedy"]}
    assert used - known == set()
    assert len(used) >= 9


def test_a_refusal_is_one_sentence_with_place_finding_expectation_and_remedy(place):
    path, workdir = place("formula_never_calculated.xlsx")
    with pytest.raises(ExportFault) as refused:
        open_tables(path, ReadSpec(), workdir, name="labs/2024.xlsx")
    assert str(refused.value) == (
        'labs/2024.xlsx, sheet "Labs", row 3, column "B": a formula that was never calculated; '
        "expected a value in every cell. Open the workbook in a spreadsheet program, save it and send it "
        "again, or export values only."
    )
