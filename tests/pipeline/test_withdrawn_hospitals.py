"""A hospital whose only delivery is withdrawn is in no release afterwards; the last hospital too."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.registry.folder import Registry
from tests.registries import opened, query, release_query, run
from tests.unit.test_loading import REGISTRY

MAPPING = """\
sender: SENDER
name: SENDER
exports:
  - {file: p.csv, patients: {patient_id: id, sex: sex}, identifiers: [id]}
"""
STUDY = """\
study: both
title: Both
groups:
  women: {label: Women, where: {sex: female}}
  men: {label: Men, where: {sex: male}}
variables: {female: {label: Female, source: patient.sex, equals: female}}
tables:
  - table_id: I
    title: Baseline
    groups: [women, men]
    reference: women
    rows: [{variable: female, summary: count_percent, test: fisher}]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder: Path = tmp_path_factory.mktemp("withdrawn") / "registry"
    for name in ("hospitals", "studies", "corrections"):
        (folder / name).mkdir(parents=True)
    (folder / "registry.yml").write_text(REGISTRY)
    (folder / "studies" / "both.yml").write_text(STUDY)
    for sender in ("north", "south"):
        (folder / "hospitals" / f"{sender}.yml").write_text(MAPPING.replace("SENDER", sender))
        delivery = folder / "landing" / sender / "first"
        delivery.mkdir(parents=True)
        (delivery / "p.csv").write_text("id,sex\n1,f\n2,m\n")
    registry = opened(folder)
    assert run(registry).refusals == ()
    return registry


def without(registry: Registry, sender: str) -> Registry:
    [(content,)] = query(registry, f"select content_sha256 from raw.delivery where sender_id = '{sender}'")
    record = f'{{delivery: first, content: "{content[:12]}", owner: A. Keeper, reason: sent by mistake}}'
    (registry.folder / "corrections" / f"{sender}.yml").write_text(
        f"sender: {sender}\nwithdrawn_deliveries:\n  - {record}\n"
    )
    registry = opened(registry.folder)
    outcome = run(registry)
    assert (outcome.refusals, outcome.is_unchanged) == ((), False)
    return registry


def test_each_withdrawal_makes_a_release_without_that_hospital_until_none_is_left(registry: Registry) -> None:
    """The last hospital's patients stayed in the release: the gate asked the empty marts for a patient."""
    patients = "select hospital_id, count(*) from release.dim_patient group by 1 order by 1"
    assert release_query(registry, patients) == [("north", 2), ("south", 2)]
    registry = without(registry, "south")
    assert release_query(registry, patients) == [("north", 2)]
    registry = without(registry, "north")
    assert release_query(registry, patients) == []
    assert release_query(registry, "select sender_id from quality.delivery") == []
    assert query(registry, "select distinct sender_id, state from quality.delivery order by 1") == [
        ("north", "withdrawn"),
        ("south", "withdrawn"),
    ]
    assert run(registry).is_unchanged
