"""Tongji: one worksheet with merged patient cells and Chinese headers; every measured defect is found and
counted.
"""

from __future__ import annotations

import pytest

from orchestration.registry.folder import Registry
from tests.registries import MAPPINGS, copy_registry, query, run_to_marts


@pytest.fixture(scope="module")
def tongji(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = copy_registry(MAPPINGS / "tongji", tmp_path_factory.mktemp("tongji") / "registry")
    run_to_marts(registry, "not_after_discharge", "patient_measured")
    return registry


def test_rows_in_are_rows_accepted_and_rows_rejected(tongji: Registry) -> None:
    assert query(
        tongji,
        "select entity, rows_read, records = records_accepted + records_rejected from quality.source_table order by all",
    ) == [
        ("events", 6120, True),
        ("observations", 6120, True),
        ("patients", 6120, True),
        ("visits", 6120, True),
    ]


def test_merged_cells_give_every_row_to_its_patient(tongji: Registry) -> None:
    assert query(tongji, "select count(*), count(distinct patient_key) from marts.fct_visit") == [(375, 375)]
    assert query(tongji, "select count(*) from quality.rejected_row where rule like 'patient%'") == [(0,)]


def test_201_were_discharged_and_174_died(tongji: Registry) -> None:
    assert query(
        tongji,
        "select status, count(*) from marts.fct_event where event_id = 'death' group by all order by 1",
    ) == [
        ("absent", 201),
        ("present", 174),
    ]


def test_each_measured_defect_is_found_by_name_and_counted(tongji: Registry) -> None:
    assert query(
        tongji,
        "select finding, n_found, n_rows from quality.finding where entity = 'observations' order by 1",
    ) == [("date_missing", 14, 14), ("physically_impossible", 72, 72), ("value_missing", 505, 505)]
    assert query(
        tongji,
        "select column_name, count(*) from quality.rejected_row where rule = 'physically_impossible' group by all order by 1",
    ) == [("白细胞计数", 1), ("红细胞计数", 71)]  # cells per microlitre of urine in a column of blood
    assert query(
        tongji,
        "select column_name, count(*) from quality.rejected_row where rule = 'value_missing' and value_text = '-1' group by all order by 1",
    ) == [("2019-nCoV核酸检测", 501), ("血小板计数", 4)]


def test_71_samples_were_taken_after_discharge_and_14_patients_have_none(tongji: Registry) -> None:
    checks = dict(
        query(tongji, "select expectation, observed from quality.check_result where layer = 'marts'")
    )
    assert checks["not_after_discharge"].startswith("71 of ")
    assert checks["patient_measured"].startswith("14 of 375")


def test_first_values_of_survivors_and_of_those_who_died(tongji: Registry) -> None:
    """Medians as published with the data: LDH 250 and 567, ferritin 487.9 and 1519.9, IL-10 5.0 and 11.1."""
    assert query(
        tongji,
        """
        with first as (
            select patient_key, concept_id, arg_min(coalesce(value_canonical, upper_limit, lower_limit), observed_at) as value
            from marts.fct_observation where concept_id in ('ldh', 'ferritin', 'il_10') group by all
        )
        select concept_id, round(median(value) filter (where status = 'absent'), 1), round(median(value) filter (where status = 'present'), 1)
        from first join marts.fct_event using (patient_key) group by all order by 1
    """,
    ) == [("ferritin", 487.9, 1519.9), ("il_10", 5.0, 11.1), ("ldh", 250.0, 567.0)]
