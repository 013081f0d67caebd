"""Each sentence of a rejected row tells what to do; done, it puts the row right (`remedy_cases.py`)."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw import ledger
from orchestration.raw.loading import load_delivery
from orchestration.raw.verdict import accepted
from orchestration.registry.folder import Registry
from orchestration.warehouse.build import build
from tests.pipeline.remedy_cases import CASES, CORRECTIONS, PATIENTS, Case, Edit
from tests.registries import opened, query
from tests.unit.test_loading import REGISTRY

TODAY = date(2025, 1, 1)
SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"
FACTS = """
select sender_id, concat_ws(' ', concept_id, coalesce(regexp_replace(value_canonical::varchar, '\\.0$', ''), value_code),
    coalesce(observed_date_iso, 'day ' || time_days::integer)) as fact from marts.fct_observation where not is_derived
union all select sender_id, concat_ws(' ', antibody_id, result, tested_date_iso) from marts.fct_antibody_result
union all select sender_id, concat_ws(' ', event_id, status, event_date_iso) from marts.fct_event
union all select sender_id, concat_ws(' ', treatment_id, start_date_iso, dose::integer) from marts.fct_treatment
union all select sender_id, concat_ws(' ', 'visit', visit_date_iso) from marts.fct_visit
union all select sender_id, concat_ws(' ', 'patient', sex, birth_year, round(age_at_onset_years, 1)) from marts.dim_patient
order by all
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """One registry, each case a hospital of it, before anybody has done anything."""
    folder = tmp_path_factory.mktemp("remedies") / "registry"
    for name in ("hospitals", "corrections"):
        (folder / name).mkdir(parents=True)
    (folder / "registry.yml").write_text(REGISTRY)
    for case in CASES:
        deliver(folder, case, Edit())
        if record := CORRECTIONS.get(case.rule):
            correct(folder, case, record)
    registry = opened(folder)
    take(registry)
    return registry


def deliver(folder: Path, case: Case, edit: Edit) -> None:
    """The mapping and the files of a case, with what a person has changed in them."""
    usual = {"patients.csv": {"patients": {"patient_id": "id", "sex": "sex"}}}
    files = {"patients.csv": PATIENTS} | case.files | edit.files
    if "born" in str(files["patients.csv"]) and "patients.csv" not in case.exports:
        usual["patients.csv"]["patients"]["birth_date"] = "born"
    keys = {"codes": {}} | case.keys
    more = [keys.pop("extra")] if "extra" in keys else []
    keys |= {k: v for k, v in edit.keys.items() if k != "codes"}
    keys["codes"] = keys["codes"] | edit.keys.get("codes", {})
    exports = [
        {"file": file, **export, **edit.exports.get(file, {})}
        for file, export in (usual | case.exports).items()
    ]
    mapping = {"sender": case.sender, "name": case.sender, "dates": ["%Y-%m-%d"], "rejected_rows_allowed": 1}
    mapping |= keys | {"exports": [*exports, *more, *edit.added]}
    (folder / "hospitals" / f"{case.sender}.yml").write_text(yaml.safe_dump(mapping, allow_unicode=True))
    delivery = folder / "landing" / case.sender / "first"
    delivery.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (delivery / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))


def correct(folder: Path, case: Case, record: dict[str, Any]) -> None:
    own = {"id": "one", "match": {"file": "labs.csv", "cells": {"test": "CK"}}, "expect": {"value": "100"}}
    own |= {"reason": "a test", "status": "applied"} | record
    text = yaml.safe_dump({"sender": case.sender, "corrections": [own]})
    (folder / "corrections" / f"{case.sender}.yml").write_text(text)


def take(registry: Registry) -> None:
    """Every delivery into raw, without the raw suite, which is not in question; then the models."""
    with warehouse(registry.warehouse) as connection:
        for sender, mapping in registry.mappings.items():
            inventory = take_inventory(registry, sender, "first")
            if not ledger.is_settled(connection, inventory):
                summary = load_delivery(connection, registry, inventory)
                ledger.record(connection, inventory, mapping.kind, accepted(sender, "first", summary))
    assert [r.unique_id for r in build(registry, TODAY)[0] if not r.passed] == []


def told(registry: Registry) -> dict[str, list[tuple[str, str, bool]]]:
    """By hospital: rule, sentence and whether it counts, of each row that is told of."""
    rows = query(
        registry,
        "select sender_id, rule, reason, counts_against_threshold from quality.rejected_row order by all",
    )
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for sender, *row in rows:
        found.setdefault(sender, []).append(tuple(row))
    return found


@pytest.fixture(scope="module")
def before(registry: Registry) -> dict[str, list[tuple[str, str, bool]]]:
    return told(registry)


@pytest.fixture(scope="module")
def after(
    registry: Registry, before: object
) -> tuple[dict[str, list[tuple[str, str, bool]]], dict[str, list[str]]]:
    for case in CASES:
        if case.edit:
            deliver(registry.folder, case, case.edit)
            for name, text in case.edit.additions.items():
                (registry.folder / "concepts").mkdir(exist_ok=True)
                (registry.folder / "concepts" / name).write_text(text)
    remedied = opened(registry.folder)
    take(remedied)
    facts: dict[str, list[str]] = {}
    for sender, fact in query(remedied, FACTS):
        facts.setdefault(sender, []).append(fact)
    return told(remedied), facts


@pytest.mark.parametrize("case", CASES, ids=[case.sender for case in CASES])
def test_a_sentence_says_what_to_do_and_done_it_puts_the_row_right(case: Case, before, after) -> None:
    said = [(rule, reason) for rule, reason, _ in before[case.sender]]
    assert {case.rule, *case.beside} == {rule for rule, _ in said}
    assert case.says in next(reason for rule, reason in said if rule == case.rule)
    rows, facts = after
    still = [(rule, counts) for rule, _, counts in rows.get(case.sender, [])]
    if case.edit is None:
        assert still and all(found == (case.rule, False) for found in still)
    else:
        assert [rule for rule, _ in still] == list(case.leaves)
        assert not any(counts for _, counts in still)
    usual = [] if any(fact.startswith("patient") for fact in case.after) else ["patient female"]
    held = [fact for fact in facts.get(case.sender, []) if not (usual and fact.startswith("patient female"))]
    assert held == sorted(case.after)


def test_every_rule_stands_in_the_table() -> None:
    with (SEEDS / "rejection_rules.csv").open(encoding="utf-8") as file:
        rules = [row["rule"] for row in csv.DictReader(file)]
    assert sorted({case.rule for case in CASES}) == sorted(rules)
