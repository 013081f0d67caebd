"""What a registry adds to the clinical catalogue: taken into the models, or told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.raw.ingestion import ingest
from orchestration.registry import catalogue
from orchestration.registry.additions import read_additions
from orchestration.resources import point_at
from orchestration.warehouse.build import build
from tests.registries import opened, query
from tests.unit.test_loading import make_registry
from yaml_files.yaml_file import ConfigurationError

ADDED = {
    "concepts": "concept_id,concept_name,category,kind,unit_canonical\nsiglec_1,Siglec-1,cytokine,numeric,pg/mL\n",
    "concept_synonyms": "concept_id,synonym,language\nsiglec_1,Sig-1 (serum),en\nck,CK neu,de\n",
    "unit_spellings": "unit_source,unit_ucum\npg per mL,pg/mL\nnano/L,{nano}/L\n",
    "unit_conversions": "concept_id,unit_from,unit_to,factor,offset,rule_id\nsiglec_1,{nano}/L,pg/mL,1,0,siglec_1_ng_per_l_to_pg_per_ml\n",
}


@pytest.fixture(autouse=True)
def _only_here():
    yield
    catalogue.extend({})


def written(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_an_added_concept_name_unit_and_rule_are_understood_as_the_shipped_ones(tmp_path: Path) -> None:
    registry = make_registry(
        tmp_path / "registry",
        """\
sender: north
name: North Hospital
rejected_rows_allowed: 0.5
exports:
  - {file: patients.csv, patients: {patient_id: id, sex: sex}, identifiers: [id, name]}
  - {file: visits.csv, visits: {patient_id: id, visit_date: date}}
  - file: labs.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: value, unit: unit}
""",
        visits="id,date\n1,2024-01-05\n",
        labs=(
            "id,date,test,value,unit\n1,2024-01-05,Sig-1 (Serum),512,nano/L\n1,2024-02-05,SIGLEC 1,600,pg per mL\n"
            "1,2024-01-05,CK neu,100,U/L\n1,2024-01-05,Sig-2,1,U/L\n"
        ),
    )
    written(registry.folder / "concepts", ADDED)
    registry = opened(registry.folder)
    point_at(registry)
    assert ingest(registry, "north", "first").is_accepted
    assert [r.unique_id for r in build(registry)[0] if not r.passed] == []
    assert query(
        registry,
        "select concept_id, value_canonical, unit_canonical, conversion_rule from marts.fct_observation order by 1, 2",
    ) == [
        ("ck", 100.0, "U/L", "identity"),
        ("siglec_1", 512.0, "pg/mL", "siglec_1_ng_per_l_to_pg_per_ml"),
        ("siglec_1", 600.0, "pg/mL", "identity"),
    ]
    assert query(registry, "select rule, value_text from quality.rejected_row") == [
        ("concept_unknown", "Sig-2")
    ]
    assert query(registry, "select concept_name from marts.dim_concept where concept_id = 'siglec_1'") == [
        ("Siglec-1",)
    ]


def test_an_added_name_may_stand_in_a_mapping(tmp_path: Path) -> None:
    mapping = """\
sender: north
name: North Hospital
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex}
    identifiers: [id, name]
  - file: visits.csv
    observations: {patient_id: id, observed_on: date, values: {siglec_1: SIG1}}
"""
    with pytest.raises(ConfigurationError, match=r'the catalogue has no .*"siglec_1"'):
        make_registry(tmp_path / "without", mapping)
    written(tmp_path / "with" / "concepts", ADDED)
    assert make_registry(tmp_path / "with", mapping).additions.keys() == ADDED.keys()


def test_faults_of_additions_name_file_line_and_remedy(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        {
            "concepts": "concept_id,concept_name,physical_low\nck,Mine,0\nsiglec_1,Siglec-1,low\nsiglec_1,Siglec-1,0\n",
            "concept_synonyms": "concept_id,synonym\nsiglec_2,Sig-2\nck,Creatine Kinase\n",
            "concept_sinonyms": "concept_id,synonym\nck,x\n",
            "unit_spellings": "unit_source,unit\nfoo,U/L\n",
            "antibodies": "antibody_id,antibody_name,antibody_group,msa_label,family_id\nly,Anti-Ly,msa,LY,arz\n",
        },
    )
    assert read_additions(folder)[1] == [
        "concepts/concept_sinonyms.csv: no table of the catalogue that a registry adds to. Its tables: concepts, concept_synonyms,"
        " concept_ranges, unit_spellings, unit_conversions, antibodies, antibody_synonyms, event_types, event_synonyms, treatments,"
        ' treatment_synonyms. Did you mean "concept_synonyms"?',
        'concepts/unit_spellings.csv:1: no column "unit" in this table. Its columns: unit_source, unit_ucum, note.'
        ' Did you mean "unit_ucum"?',
        'concepts/antibodies.csv:2: family_id: nothing in antibodies.csv is called "arz"; write the antibody whose entry stands for'
        ' the whole family, such as ars. Did you mean "ars"?',
        'concepts/concept_synonyms.csv:2: concept_id: nothing in concepts.csv is called "siglec_2"; define it there first.'
        ' Did you mean "siglec_1"?',
        'concepts/concept_synonyms.csv:3: synonym "Creatine Kinase" ships with the catalogue, and an addition cannot change it;'
        " leave the row out",
        'concepts/concepts.csv:2: concept_id "ck" ships with the catalogue, and an addition cannot change it; leave the row out',
        'concepts/concepts.csv:3: physical_low: "low" is not a number; write it with a point and without a unit',
        'concepts/concepts.csv:4: concept_id "siglec_1" is listed twice; keep one of the rows',
    ]
