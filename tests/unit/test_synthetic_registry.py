"""The registry that ships is what its generator makes, cell by cell, and says that it is synthetic."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import python_calamine

from tests.synthetic import relapse_bounds, solution, trajectories

LANDING = Path(__file__).parents[2] / "registry" / "landing"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "landing"
    subprocess.run(
        [sys.executable, "-m", "tests.synthetic.generate", "--out", str(out)],
        check=True,
        cwd=LANDING.parents[1],
        capture_output=True,
    )
    return out


def cells(path: Path) -> dict[str, list[list[object]]]:
    """Every cell of a file by sheet; a text file is one sheet of its decoded fields."""
    if path.suffix == ".xlsx":
        workbook = python_calamine.CalamineWorkbook.from_path(path)
        return {name: workbook.get_sheet_by_name(name).to_python() for name in workbook.sheet_names}
    content = path.read_bytes()
    encoding = "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") or path.suffix == ".md" else "gb18030"
    return {"": list(csv.reader(io.StringIO(content.decode(encoding), newline="")))}


def test_the_generator_makes_the_committed_exports_cell_by_cell(made: Path) -> None:
    names = sorted(p.relative_to(LANDING).as_posix() for p in LANDING.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file())
    assert len(names) == 14
    for name in names:
        assert cells(made / name) == cells(LANDING / name), name


def test_every_export_says_that_it_is_synthetic() -> None:
    for path in LANDING.rglob("*"):
        if path.suffix in (".csv", ".xlsx"):
            text = (
                " ".join(str(c) for sheet in cells(path).values() for row in sheet[:3] for c in row)
                + path.name
            )
            assert "synthetic" in text.lower() or "合成" in text, path.name
    assert "Nothing below this folder is about a real person" in (LANDING / "SYNTHETIC.md").read_text(
        encoding="utf-8"
    )


def test_the_bounds_of_the_log_rank_tests_are_those_of_every_order() -> None:
    """Why some children are followed for less than 36 months; the long enumeration is left to its command."""
    with (solution.SOLUTION / "relapse_bounds.csv").open(encoding="utf-8") as handle:
        header, *rows = [tuple(row) for row in csv.reader(handle)]
    assert header == relapse_bounds.HEADER
    assert relapse_bounds.pairs() == rows[:2]
    assert float(rows[1][3]) > 0.0001  # NXP2+ children against adults, printed <0.0001
    assert float(rows[2][3]) > 0.000265  # overall, printed 0.00026, where NXP2+ against MDA5+ prints 0.03


def test_no_course_makes_a_jump_that_treatment_could_not() -> None:
    """CK rises only where it is normal, by little to month 3, or where a relapse shows; CMAS moves by limited
    steps.
    """
    of = solution.read()
    for group in trajectories.GROUPS:
        values: dict[str, dict[int, list[tuple[int, float]]]] = {"ck": {}, "cmas": {}}
        for key in sorted(of.values, key=lambda key: key[:3]):
            if key[0] == group and key[3] in values:
                values[key[3]].setdefault(key[1], []).append((key[2], of.number(key)))
        for patient, course in values["ck"].items():
            for (_, before), (month, after) in pairwise(course):
                shows = trajectories.flares((group, patient, month), of.follow_up)
                assert shows or after <= max((1.51 if month == 3 else 1.0) * before, 200), (
                    group,
                    patient,
                    month,
                )
        for patient, course in values["cmas"].items():
            assert all(score >= 12 for month, score in course if month > 0), (group, patient)
            for (_, before), (month, after) in pairwise(course):
                shows = trajectories.flares((group, patient, month), of.follow_up)
                assert shows or -4 <= after - before <= 12, (group, patient, month)


def test_relapses_are_spread_over_the_follow_up() -> None:
    """No half year holds more than three of the nine relapses of the NXP2+ children."""
    days = sorted(
        seen.relapse_day
        for (group, _), seen in solution.read().follow_up.items()
        if group == "nxp2_jdm" and seen.relapse_day is not None
    )
    assert len(days) == 9
    assert max(sum(first <= day < first + 183 for day in days) for first in days) <= 3


def test_laboratory_values_and_scores_are_plausible() -> None:
    of = solution.read()
    assert all(float(text.lstrip("<")) > 0 for text in of.values.values())
    assert {text for text in of.values.values() if text.startswith("<")} == {"<0.10"}
    assert {key[0] for key, text in of.values.items() if text.startswith("<")} == {"nxp2_adult_dm"}
    scores = [text for key, text in of.values.items() if key[3] == "cmas"]
    assert all(text.isdigit() and 0 <= int(text) <= 52 for text in scores)
