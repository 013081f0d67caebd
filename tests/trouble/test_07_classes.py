"""Small whole numbers of a line blot may be classes: nobody guesses which, and the mapping can say it."""

from __future__ import annotations

from pathlib import Path

from orchestration.registry.folder import Registry
from tests.registries import copy_registry, query, run
from tests.trouble.case import CASES, run_case

CASE = "07-line-blot-classes-read-as-intensity"
STATUS = """
    select p.source_row, s.msa, s.decided_by from marts.dim_antibody_status as s
    join marts.dim_patient as p using (hospital_id, patient_key) order by 1
"""


def stated(tmp_path: Path, scale: str) -> Registry:
    registry = copy_registry(CASES / CASE, tmp_path / scale)
    mapping = registry.folder / "hospitals" / "h.yml"
    mapping.write_text(mapping.read_text().replace("antibodies: {", f"antibodies: {{scale: {scale}, "))
    registry = copy_registry(registry.folder, tmp_path / f"{scale} stated")
    run(registry)
    return registry


def test_without_a_stated_scale_the_status_stays_open_and_the_hospital_is_asked(tmp_path: Path) -> None:
    case = run_case(CASE, tmp_path)
    assert query(case, STATUS) == [
        (2, None, "open: a test of a specific antibody could not be read"),
        (3, None, "open: a test of a specific antibody could not be read"),
    ]
    assert query(case, "select source_row, rule, value_text from quality.rejected_row order by 1") == [
        (2, "antibody_scale_unknown", "3"),
        (4, "antibody_scale_unknown", "2"),
    ]


def test_a_stated_class_is_read_as_a_grade(tmp_path: Path) -> None:
    assert [row[1] for row in query(stated(tmp_path, "class"), STATUS)] == ["NXP2", "NXP2"]


def test_a_stated_intensity_is_compared_with_the_cut_off(tmp_path: Path) -> None:
    assert [row[1] for row in query(stated(tmp_path, "intensity"), STATUS)] == ["negative", "negative"]
