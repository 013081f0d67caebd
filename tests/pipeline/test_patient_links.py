"""The same patient at two hospitals: linked by what both declare, with a guard against false merges."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.warehouse.build import build
from tests.registries import opened, query
from yaml_files.yaml_file import ConfigurationError

REGISTRY = """\
name: two hospitals
visit_schedule: [{visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}]
"""
MAPPING = """\
sender: {sender}
name: {sender}
dates: ["%Y-%m-%d"]
exports:
  - file: patients.csv
    patients: {{patient_id: id, sex: sex, birth_year: born, link_by: {{national_id: card}}}}
    identifiers: [id, card]
"""
# who each row is: the sender's id, as it stands in the test's expectation
NORTH = """\
id,card,sex,born
both,11010520100307002X,F,2010
other_sex,110105201103070034,F,2011
filler,000000,M,2012
mother_1,110105198003070045,F,2013
mother_2,110105198003070045,M,2014
no_sex,110105201503070056,,2015
alone,110105201603070067,M,2016
no_card,,M,2017
"""
SOUTH = """\
id,card,sex,born
both,１１０１０５-20100307-002x ,F,2010
other_sex,110105201103070034,M,2011
filler,000000,M,2012
mother,110105198003070045,F,2013
no_sex,110105201503070056,F,2015
"""


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """North is built first, South's delivery comes after it."""
    folder = tmp_path_factory.mktemp("linked")
    (folder / "registry.yml").write_text(REGISTRY)
    (folder / "hospitals").mkdir()
    for sender, rows in (("north", NORTH), ("south", SOUTH)):
        (folder / "hospitals" / f"{sender}.yml").write_text(MAPPING.format(sender=sender))
        delivery = folder / "landing" / sender / "first"
        delivery.mkdir(parents=True)
        (delivery / "patients.csv").write_text(rows, encoding="utf-8")
        (delivery / "_SUCCESS").touch()
    registry = opened(folder)
    assert ingest(registry, "north", "first").is_accepted
    assert all(r.passed for r in build(registry)[0])
    (folder / "north_alone").write_text(repr(rows_of_north(registry)))
    assert query(registry, "select count(*) from marts.patient_link") == [(0,)]
    assert ingest(registry, "south", "first").is_accepted
    assert all(r.passed for r in build(registry)[0])
    return registry


def rows_of_north(registry: Registry) -> list[list[tuple]]:
    tables = ("dim_hospital", "dim_patient", "dim_antibody_status", "fct_definition")
    return [
        query(registry, f"select * from marts.{t} where hospital_id = 'north' order by all") for t in tables
    ]


def people(registry: Registry) -> dict[str, str]:
    """patient_key to the id in the tables above, by the row that it stands in."""
    rows = query(registry, "select hospital_id, source_row, patient_key from marts.dim_patient")
    lines = {"north": NORTH.splitlines(), "south": SOUTH.splitlines()}
    return {key: lines[hospital][row - 1].split(",")[0] for hospital, row, key in rows}


def test_one_person_is_linked_and_every_doubtful_pair_is_shown(linked: Registry) -> None:
    who = people(linked)
    columns = "hospital_id, patient_key, link_rule, count(distinct person_key) over ()"
    links = query(linked, f"select {columns} from marts.patient_link order by hospital_id")
    assert [(h, who[p], rule, people) for h, p, rule, people in links] == [
        ("north", "both", "national_id", 1),
        ("south", "both", "national_id", 1),
    ]
    columns = "hospital_id, patient_key, other_hospital_id, other_patient_key, reason"
    refused = query(linked, f"select {columns} from quality.refused_link")
    plain = "the identifier is too plain to stand for one person"
    shared = "the identifier stands for several patients of the hospital"
    assert sorted((h, who[p], o or "", who.get(q, ""), why) for h, p, o, q, why in refused) == [
        ("north", "filler", "", "", plain),
        ("north", "mother_1", "", "", shared),
        ("north", "mother_2", "", "", shared),
        ("north", "no_sex", "south", "no_sex", "sex or year of birth is not known, or contradicted"),
        ("north", "other_sex", "south", "other_sex", "sex or year of birth differ"),
        ("south", "filler", "", "", plain),
    ]


def test_another_hospital_changes_no_row_of_the_first(linked: Registry) -> None:
    assert repr(rows_of_north(linked)) == (linked.folder / "north_alone").read_text()


def test_identifiers_and_patient_keys_cannot_be_compared_with_link_hashes(linked: Registry) -> None:
    hashes = {h for (h,) in query(linked, "select link_hash from raw.patient_link") if h}
    keys = {k for (k,) in query(linked, "select patient_key from raw.patients")}
    assert len(hashes) == 5 and not hashes & keys
    content = linked.warehouse.read_bytes()
    assert b"1101052010" not in content and b"1101051980" not in content
    assert "link_hash" not in [c for c, *_ in query(linked, "describe marts.patient_link")]


def test_an_identifier_that_links_must_be_one_that_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "registry.yml").write_text(REGISTRY)
    (tmp_path / "hospitals").mkdir()
    text = MAPPING.format(sender="north").replace("[id, card]", "[id]")
    (tmp_path / "hospitals" / "north.yml").write_text(text)
    with pytest.raises(ConfigurationError, match="is an identifier; list it under identifiers too: card"):
        opened(tmp_path)
