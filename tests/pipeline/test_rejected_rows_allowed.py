"""How many rejected rows refuse a delivery: more than a share of a table's rows, and no fewer than a
count.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.registry.folder import Registry
from tests.registries import opened, query, run_to_marts

REGISTRY = """\
name: rejected
visit_schedule:
  - {visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}
"""
MAPPING = """\
sender: SENDER
name: SENDER
exports:
  - {file: p.csv, patients: {patient_id: id, sex: sex}, identifiers: [id]}
  - file: labs.csv
    observations: {patient_id: id, observed_on: day, concept: test, value: value, unit: unit}
    identifiers: [id]
"""
BAD = {"one": 1, "two": 2, "three": 3}  # words that nobody can read, of twelve results; 1 in 12 is 8.3 %


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder: Path = tmp_path_factory.mktemp("rejected") / "registry"
    (folder / "hospitals").mkdir(parents=True)
    (folder / "registry.yml").write_text(REGISTRY)
    for sender, bad in BAD.items():
        delivery = folder / "landing" / sender / "first"
        delivery.mkdir(parents=True)
        values = ["hundred"] * bad + [str(100 + i) for i in range(12 - bad)]
        (folder / "hospitals" / f"{sender}.yml").write_text(MAPPING.replace("SENDER", sender))
        (delivery / "p.csv").write_text("id,sex\n1,f\n")
        lines = [f"1,2024-01-{i:02d},CK,{value},U/L" for i, value in enumerate(values, 1)]
        (delivery / "labs.csv").write_text("\n".join(["id,day,test,value,unit", *lines]) + "\n")
        (delivery / "_SUCCESS").touch()
    registry = opened(folder)
    run_to_marts(registry)
    return registry


def test_a_few_bad_rows_of_a_small_table_refuse_nothing(registry: Registry) -> None:
    states = query(registry, "select sender_id, state from raw.delivery order by sender_id")
    assert states == [("one", "accepted"), ("three", "refused"), ("two", "accepted")]
    [(reason,)] = query(registry, "select reason from raw.delivery where sender_id = 'three'")
    assert (
        "labs.csv: 3 of 12 records of observations rejected, which is 25.0%; allowed 5.0%, and always 2 of a table"
        in reason
    )
