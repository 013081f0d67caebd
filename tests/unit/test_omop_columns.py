"""The ready-made OMOP mapping knows every column of the tables that it reads, in CDM 5.3 and 5.4 and in any
case.

Source of the columns: OHDSI CommonDataModel, inst/ddl/5.3 and inst/ddl/5.4 (Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw.tables import Survey
from tests.unit.test_mapping_language import delivery

BOTH = {
    "person": "person_id gender_concept_id year_of_birth month_of_birth day_of_birth birth_datetime race_concept_id"
    " ethnicity_concept_id location_id provider_id care_site_id person_source_value gender_source_value"
    " gender_source_concept_id race_source_value race_source_concept_id ethnicity_source_value ethnicity_source_concept_id",
    "observation_period": "observation_period_id person_id observation_period_start_date observation_period_end_date"
    " period_type_concept_id",
    "visit_occurrence": "visit_occurrence_id person_id visit_concept_id visit_start_date visit_start_datetime visit_end_date"
    " visit_end_datetime visit_type_concept_id provider_id care_site_id visit_source_value visit_source_concept_id"
    " preceding_visit_occurrence_id",
    "condition_occurrence": "condition_occurrence_id person_id condition_concept_id condition_start_date"
    " condition_start_datetime condition_end_date condition_end_datetime condition_type_concept_id"
    " condition_status_concept_id stop_reason provider_id visit_occurrence_id visit_detail_id condition_source_value"
    " condition_source_concept_id condition_status_source_value",
    "drug_exposure": "drug_exposure_id person_id drug_concept_id drug_exposure_start_date drug_exposure_start_datetime"
    " drug_exposure_end_date drug_exposure_end_datetime verbatim_end_date drug_type_concept_id stop_reason refills quantity"
    " days_supply sig route_concept_id lot_number provider_id visit_occurrence_id visit_detail_id drug_source_value"
    " drug_source_concept_id route_source_value dose_unit_source_value",
    "measurement": "measurement_id person_id measurement_concept_id measurement_date measurement_datetime measurement_time"
    " measurement_type_concept_id operator_concept_id value_as_number value_as_concept_id unit_concept_id range_low range_high"
    " provider_id visit_occurrence_id visit_detail_id measurement_source_value measurement_source_concept_id"
    " unit_source_value value_source_value",
    "death": "person_id death_date death_datetime death_type_concept_id cause_concept_id cause_source_value"
    " cause_source_concept_id",
}
OF_5_3 = {
    "visit_occurrence": " admitting_source_concept_id admitting_source_value discharge_to_concept_id"
    " discharge_to_source_value",
}
OF_5_4 = {
    "visit_occurrence": " admitted_from_concept_id admitted_from_source_value discharged_to_concept_id"
    " discharged_to_source_value",
    "measurement": " unit_source_concept_id measurement_event_id meas_event_field_concept_id",
}
OWN = "sender: north\nname: North Hospital\nlike: omop_cdm_5_4\n"


@pytest.mark.parametrize("in_capitals", [False, True], ids=["small letters", "capitals"])
@pytest.mark.parametrize("version", [OF_5_3, OF_5_4], ids=["5.3", "5.4"])
def test_a_whole_export_is_taken(tmp_path: Path, version: dict[str, str], in_capitals: bool) -> None:
    tables = {}
    for table, names in BOTH.items():
        columns = (names + version.get(table, "")).split()
        text = ",".join(columns) + "\n" + ",".join("1" for _ in columns) + "\n"
        tables[table.upper() if in_capitals else table] = text.upper() if in_capitals else text
    tables["VOCABULARY" if in_capitals else "vocabulary"] = "vocabulary_id\nLOINC\n"
    assert told(tmp_path, OWN, tables) == []


def told(folder: Path, mapping: str, tables: dict[str, str]) -> list[str]:
    registry = delivery(folder, mapping, **tables)
    with warehouse(registry.warehouse) as connection:
        inventory = take_inventory(registry, "north", "first")
        return Survey(connection, registry, registry.mappings["north"], inventory, folder).look()[1]


def test_a_name_that_differs_only_in_case_is_told_so(tmp_path: Path) -> None:
    mapping = """\
sender: north
name: North Hospital
exports:
  - file: labs.csv
    observations: {patient_id: id, observed_on: day, concept: test, value: result, reference_high: high}
    optional_columns: [high]
  - {file: Other.csv, ignored: ["*"]}
"""
    text = "id,day,test,result,HIGH\n1,2024-01-05,CK,100,200\n"
    found = "\n".join(told(tmp_path, mapping, {"labs": text, "other": "a\n1\n"}))
    assert "Only the case of a file's name differs: write it so, or `ignore_case: true`." in found
    assert (
        'Only the case of "HIGH" differs from "high" of the mapping: write it so, or `ignore_case: true`'
        in found
    )
