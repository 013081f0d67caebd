"""Deliveries that come again, in another order, corrected, or broken half-way."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from analytics.paper.reproduction import reproduce
from analytics.study.cohort import FRAMES, build_cohort
from analytics.study.compared import compare_groups
from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw.ingestion import ingest
from orchestration.raw.loading import load_delivery
from orchestration.raw.verdict import Decision
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.warehouse import dbt
from orchestration.warehouse.build import build
from tests.registries import copy_as_it_stands, opened, query, shipped, warehouse_digest

CONTENT = ("staging", "intermediate", "marts", "quality")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The shipped deliveries, taken and built one after the other in the order of a busy year: last first."""
    registry = shipped(tmp_path_factory.mktemp("redeliveries") / "registry")
    for sender, delivery in (("zjch", "2025-06-30"), ("zjfah", "2024-06-30"), ("zjch", "2023-06-30")):
        assert ingest(registry, sender, delivery).is_accepted
        results, _ = build(registry)
        assert all(r.passed for r in results)
    return registry


def test_order_of_deliveries_does_not_matter_and_increments_equal_a_full_build(
    built: Registry, shipped_run: Registry
) -> None:
    """Keys differ between two registries, so counts and sums of values are compared, and then a rebuild cell
    by cell.
    """
    for table in ("marts.fct_observation", "marts.fct_event", "marts.fct_antibody_result", "marts.fct_visit"):
        counted = f"select count(*), sum(source_row), count(distinct source_file) from {table}"
        assert query(built, counted) == query(shipped_run, counted), table
    incremental = warehouse_digest(built, CONTENT)
    point_at(built)
    assert all(r.passed for r in dbt.build(built, full_refresh=True, with_seeds=False))
    assert warehouse_digest(built, CONTENT) == incremental


def test_the_same_delivery_again_is_not_read_again(built: Registry) -> None:
    point_at(built)
    before = warehouse_digest(built)
    assert ingest(built, "zjfah", "2024-06-30").decision is Decision.UNCHANGED
    assert warehouse_digest(built) == before


def test_a_load_that_was_cut_short_leaves_no_trace_once_it_is_run_again(
    built: Registry, tmp_path: Path
) -> None:
    """Killed between loading and accepting: rows lie in raw, dbt does not see them, the next attempt replaces
    them.
    """
    built = copy_as_it_stands(built.folder, tmp_path / "registry")
    folder = built.landing / "zjfah" / "2026-01-31"
    shutil.copytree(built.landing / "zjfah" / "2024-06-30", folder)
    inventory = take_inventory(built, "zjfah", "2026-01-31")
    before = warehouse_digest(built, CONTENT)
    with warehouse(built.warehouse) as connection:
        load_delivery(connection, built, inventory)
    assert all(r.passed for r in build(built)[0])
    assert warehouse_digest(built, CONTENT) == before
    assert ingest(built, "zjfah", "2026-01-31").is_accepted
    loads = query(built, f"select count(*) from raw.patients where load_id = '{inventory.load_id}'")
    assert loads == [(20,)]


def test_a_refused_delivery_leaves_the_warehouse_as_it_was(built: Registry) -> None:
    """Only the ledger says that it came, and why it was refused."""
    point_at(built)
    before = warehouse_digest(built, ("raw", *CONTENT))
    file = built.landing / "zjfah" / "2024-06-30" / "synthetic_visits.csv"
    original = file.read_bytes()
    file.write_bytes(original.replace(b"CK (\xc2\xb5kat/L)", b"CK (furlongs)", 1))
    try:
        verdict = ingest(built, "zjfah", "2024-06-30")
    finally:
        file.write_bytes(original)
    assert verdict.decision is Decision.REFUSED and 'no column "CK' in "\n".join(verdict.reasons)
    after = warehouse_digest(built, ("raw", *CONTENT))
    assert {table for table in after if after[table] != before[table]} == {
        "raw.delivery",
        "raw.delivery_decision",
        "quality.delivery",
    }
    ((state, in_force),) = query(
        built,
        "select state, load_id_in_force is not null from quality.delivery where sender_id = 'zjfah' and delivery_id = '2024-06-30'",
    )
    assert (state, in_force) == ("refused", True)
    with warehouse(built.warehouse) as connection:
        connection.execute("delete from raw.delivery where state = 'refused'")


def test_a_corrected_file_replaces_what_it_said_before(built: Registry) -> None:
    point_at(built)
    file = built.landing / "zjfah" / "2024-06-30" / "synthetic_visits.csv"
    original = file.read_bytes()
    first = query(built, _CK)[0]
    header, row, *rest = original.decode("utf-8-sig").split("\r\n")
    cells = row.split(",")
    cells[header.split(",").index("CK (µkat/L)")] = "100"
    file.write_bytes("\r\n".join([header, ",".join(cells), *rest]).encode("utf-8-sig"))
    try:
        assert ingest(built, "zjfah", "2024-06-30").is_accepted
        assert all(r.passed for r in build(built)[0])
        corrected = query(built, _CK)[0]
        assert corrected[0] == first[0]
        assert 6000 in [
            v
            for (v,) in query(
                built,
                "select value_canonical from marts.fct_observation where concept_id = 'ck' and hospital_id = 'zjfah'",
            )
        ]
        assert corrected[1] != first[1]
    finally:
        file.write_bytes(original)
    assert ingest(built, "zjfah", "2024-06-30").is_accepted
    assert all(r.passed for r in build(built)[0])
    assert query(built, _CK)[0] == first


_CK = "select count(*), round(sum(value_canonical), 6) from marts.fct_observation where concept_id = 'ck' and hospital_id = 'zjfah'"


def test_one_changed_value_in_an_export_makes_the_printed_values_that_rest_on_it_differ(
    built: Registry, tmp_path: Path
) -> None:
    """And no other: the mean ± SD of the adults' white cells, and the p value against them."""
    built = copy_as_it_stands(built.folder, tmp_path / "registry")
    before = _reproduced(built)
    file = built.landing / "zjfah" / "2024-06-30" / "synthetic_visits.csv"
    header, row, *rest = file.read_bytes().decode("utf-8-sig").split("\r\n")
    cells = row.split(",")
    cells[[name.startswith("WBC") for name in header.split(",")].index(True)] = "88"
    file.write_bytes("\r\n".join([header, ",".join(cells), *rest]).encode("utf-8-sig"))
    assert ingest(built, "zjfah", "2024-06-30").is_accepted
    assert all(r.passed for r in build(built)[0])
    after = _reproduced(built)
    changed = {cell: after[cell][1] for cell in before if before[cell] != after[cell]}
    assert changed == {"II/wbc/nxp2_adult_dm": False, "II/wbc/nxp2_jdm:nxp2_adult_dm": False}
    assert before["II/wbc/nxp2_adult_dm"][1] is True


def _reproduced(registry: Registry) -> dict[str, tuple]:
    """What Tables I and II print from the marts as they stand, by cell: computed, and whether it agrees."""
    with duckdb.connect(str(registry.warehouse), read_only=True) as connection:
        marts = [name for name in FRAMES if name not in ("visit_schedule", "event_types")]
        frames = {name: connection.execute(f"select * from marts.{name}").df() for name in marts}
        frames["visit_schedule"] = connection.execute(
            "select * from raw.registry_visit_window order by nominal_day"
        ).df()
        frames["event_types"] = connection.execute(
            "select event_id, category from intermediate.event_types"
        ).df()
    found = compare_groups(build_cohort(registry.studies["nxp2"], frames))
    rows = reproduce(registry.papers["nxp2"], found)
    return {r.cell: (str(r.computed), r.agrees) for r in rows.itertuples() if r.table_id in ("I", "II")}


def test_a_delivery_with_too_many_rejected_rows_is_put_out_of_force(built: Registry) -> None:
    """Its predecessor comes back into force, and marts are what they were. (That so many tests change is
    accepted on purpose.)
    """
    point_at(built)
    before = warehouse_digest(built, ("intermediate", "marts"))
    file = built.landing / "zjfah" / "2024-06-30" / "synthetic_antibodies.csv"
    original = file.read_text(encoding="utf-8-sig")
    file.write_text(original.replace("CADM-140", "no such antibody"), encoding="utf-8-sig")
    try:
        content = take_inventory(built, "zjfah", "2024-06-30").content_sha256[:12]
        (built.folder / "corrections").mkdir()
        (built.folder / "corrections" / "zjfah.yml").write_text(
            f'sender: zjfah\naccepted_changes: [{{delivery: "2024-06-30", content: "{content}", owner: A. Keeper, reason: a test}}]\n'
        )
        accepting = opened(built.folder)
        assert ingest(accepting, "zjfah", "2024-06-30").is_accepted
        results, _ = build(accepting)
        assert all(r.passed for r in results)
    finally:
        file.write_text(original, encoding="utf-8-sig", newline="")
    ((state, reason),) = query(
        built,
        "select state, reason from quality.delivery where sender_id = 'zjfah' and delivery_id = '2024-06-30'",
    )
    assert state == "refused"
    assert (
        "synthetic_antibodies.csv: 14 of 132 records of antibodies rejected, which is 10.6%; allowed 5.0%, and always 2 of a table (rejected_rows_allowed)\n  antibody_unknown 14: column "
        in reason
    )
    assert ", rows " in reason
    assert ' and 4 more; 1 word: "no such antibody" 14 rows; expected ' in reason
    assert warehouse_digest(built, ("intermediate", "marts")) == before
