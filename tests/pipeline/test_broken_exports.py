"""Every broken file of `understood.yml`, delivered together by one hospital: its outcome is exactly the one
stated there.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import yaml

from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry, load_registry
from orchestration.resources import point_at
from orchestration.warehouse.build import build
from tests.registries import query
from tests.unit.test_loading import REGISTRY

CORPUS = yaml.safe_load(
    (Path(__file__).parents[1] / "broken_exports" / "understood.yml").read_text(encoding="utf-8")
)
CASES = CORPUS["cases"]
BLANKS = {
    "\\u00a0": "\u00a0",
    "\\u3000": "\u3000",
}  # no editor shows these blanks, so that the file writes them out
USUAL = {
    "observations": {
        "patient_id": "id",
        "observed_on": "date",
        "concept": "test",
        "value": "result",
        "unit": "unit",
    }
}
ENTITIES = ("visits", "observations", "antibodies", "events")
PATIENTS = "id,sex,admitted\n1,F,2021-01-01\n2,M,2021-01-01\n3,F,2021-01-01\n"

ACCEPTED = """
select source_file, source_row, concept_id as concept, observed_date_iso as date, null as "end", null as precision,
    case when observed_date_iso is null then time_days end as days, comparator, value_canonical as value, lower_limit as lower,
    upper_limit as upper, value_code as code, conversion_rule as rule
from marts.fct_observation where not is_derived
union all by name
select source_file, source_row, visit_date_iso as date, visit_end_date_iso as "end" from marts.fct_visit
union all by name
select source_file, source_row, event_id as concept, event_date_iso as date, event_date_precision as precision, time_days as days,
    nullif(status, 'present') as status
from marts.fct_event
union all by name
select source_file, source_row, antibody_id as concept, tested_date_iso as date, result as code, positivity_rule as rule
from marts.fct_antibody_result
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("broken") / "registry"
    delivery = folder / "landing" / "north" / "first"
    delivery.mkdir(parents=True)
    exports = [
        {"file": "patients.csv", "patients": {"patient_id": "id", "sex": "sex", "origin_date": "admitted"}}
    ]
    (delivery / "patients.csv").write_text(PATIENTS)
    for case in CASES:
        text = case["text"]
        for written, blank in BLANKS.items():
            text = text.replace(written, blank)
        (delivery / case["file"]).write_text(text, encoding="utf-8")
        keys = case.get("export", {})
        exports.append({"file": case["file"], **({} if set(ENTITIES) & set(keys) else USUAL), **keys})
    (folder / "hospitals").mkdir()
    (folder / "registry.yml").write_text(REGISTRY)
    mapping = {**CORPUS["sender"], "exports": exports}
    (folder / "hospitals" / "north.yml").write_text(
        yaml.safe_dump(mapping, allow_unicode=True, sort_keys=False)
    )
    registry = load_registry(folder)
    point_at(registry)
    assert ingest(registry, "north", "first").is_accepted
    results, _ = build(registry)
    assert [r.unique_id for r in results if not r.passed] == []
    return registry


@pytest.fixture(scope="module")
def outcome(broken: Registry) -> dict[str, dict[str, list]]:
    """By file: accepted rows, rejected, noted and superseded ones."""
    found: dict[str, dict[str, list]] = {case["file"]: {} for case in CASES}
    with duckdb.connect(str(broken.warehouse), read_only=True) as connection:
        accepted = connection.execute(
            f"select * from ({ACCEPTED}) order by source_file, source_row, concept"
        ).df()
        told = connection.execute(
            "select source_file, source_row, rule, value_text, is_row or rule not like '%by_order' from quality.rejected_row order by all"
        ).fetchall()
        again = connection.execute(
            "select source_file, source_row, rule from quality.superseded_row order by all"
        ).fetchall()
    for row in accepted.to_dict("records"):
        values = {k: v for k, v in row.items() if v is not None and v == v}
        found[values.pop("source_file")].setdefault("accepted", []).append(
            {"row": values.pop("source_row"), **values}
        )
    for file, row, rule, text, is_rejected in told:
        found[file].setdefault("rejected" if is_rejected else "noted", []).append([row, rule, text])
    for file, row, rule in again:
        found[file].setdefault("superseded", []).append([row, rule])
    return found


@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
def test_the_outcome_of_a_broken_file_is_the_one_stated(case, outcome) -> None:
    found = dict(outcome[case["file"]])
    if "same" in case:
        for row in found.pop("accepted"):
            assert {key: row[key] for key in case["same"]} == case["same"]
    for row in found.get("accepted", []):
        for key, value in row.items():
            row[key] = pytest.approx(value, rel=1e-3) if isinstance(value, float) else value
    assert found == {key: case[key] for key in ("accepted", "rejected", "noted", "superseded") if key in case}


def test_every_row_of_every_broken_file_is_accounted_for(broken: Registry) -> None:
    rows = {case["file"]: len(case["text"].splitlines()) - 1 for case in CASES}
    rows["title_units_and_footer.csv"] -= 3
    rows["decimal_comma_beside_numbers.ndjson"] += 1  # no header
    counted = query(
        broken,
        "select source_file, any_value(rows_read), bool_and(records = records_accepted + records_rejected) from quality.source_table"
        " where source_file <> 'patients.csv' group by all",
    )
    assert {file: n for file, n, _ in counted} == rows
    assert all(balances for *_, balances in counted)
