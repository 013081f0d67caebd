"""A partition is green only while the ledger says that its delivery is in force, and tells why it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from orchestration.command import flow
from orchestration.database.warehouse_file import warehouse
from orchestration.landing.assets import partitions
from orchestration.raw.assets import raw_asset
from orchestration.raw.ingestion import ingest
from orchestration.raw.ledger import standing
from orchestration.raw.outstanding import outstanding
from orchestration.raw.partitions import show_ledger
from orchestration.raw.withdrawals import withdraw
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.running.helper import IN_THIS_PROCESS
from tests.pipeline.test_landing_state import LABS, MAPPING, PATIENTS, deliver
from tests.registries import opened, query
from tests.unit.test_loading import make_registry

UNREADABLE = LABS.replace(",CK,1", ",CK,one hundred and ")
RECORD = """\
sender: north
withdrawn_deliveries:
  - {delivery: "2024-02", content: "CONTENT", owner: A. Keeper, reason: sent by mistake}
"""


@pytest.fixture
def north(tmp_path: Path) -> Registry:
    """A delivery of patients, and one of their results."""
    make_registry(tmp_path, MAPPING, patients="", visits="")
    landing = tmp_path / "landing" / "north"
    shutil.rmtree(landing / "first")
    deliver(landing / "2024-01", "patients", PATIENTS)
    deliver(landing / "2024-02", "labs", LABS)
    return opened(tmp_path)


def shown(registry: Registry) -> dict[str, str]:
    point_at(registry)
    with dg.DagsterInstance.get() as instance:
        there = instance.get_dynamic_partitions("deliveries_north")
        found = instance.get_status_by_partition(dg.AssetKey(["raw", "north"]), there, partitions("north"))
    assert found is not None
    return {delivery: status.name if status else "none" for delivery, status in sorted(found.items())}


def told(registry: Registry, delivery: str) -> str:
    """The reason in the latest metadata of a partition."""
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_observations(
            dg.AssetRecordsFilter(dg.AssetKey(["raw", "north"]), asset_partitions=[delivery]), limit=1
        ).records
    return str(records[0].asset_observation.metadata["reasons"].value)


def states(registry: Registry) -> list[tuple]:
    with warehouse(registry.warehouse) as connection:
        return [(s.delivery, s.state.value) for s in standing(connection)]


def show(registry: Registry) -> None:
    with dg.DagsterInstance.get() as instance:
        show_ledger(registry, instance, [raw_asset("north", "North Hospital", IN_THIS_PROCESS)])


def click(registry: Registry, delivery: str) -> bool:
    """Run a delivery's partition as a person does in the UI, whether it is outstanding or not."""
    from orchestration.definitions import ingestion_definitions

    job = ingestion_definitions(registry).resolve_job_def("ingest_north")
    with dg.DagsterInstance.get() as instance:
        return job.execute_in_process(
            instance=instance, partition_key=delivery, raise_on_error=False, run_config=flow.QUIET
        ).success


def test_a_delivery_refused_in_the_build_for_its_rows_turns_red_and_stays_red_until_it_is_taken(
    north: Registry,
) -> None:
    deliver(north.landing / "north" / "2024-02", "labs", UNREADABLE)
    assert len(flow.ingest(north, flow.look(north)).taken) == 2
    assert shown(north) == {"2024-01": "MATERIALIZED", "2024-02": "MATERIALIZED"}
    flow.build(north, with_report=False)
    assert states(north) == [("2024-01", "accepted"), ("2024-02", "refused")]
    assert shown(north) == {"2024-01": "MATERIALIZED", "2024-02": "FAILED"}
    assert "60 of 60 records of observations rejected" in told(north, "2024-02")
    assert "hundred" not in told(north, "2024-02")

    assert outstanding(north) == []
    assert not click(north, "2024-02")  # nothing has changed, and nothing is taken
    assert shown(north)["2024-02"] == "FAILED"

    deliver(north.landing / "north" / "2024-02", "labs", LABS)
    assert flow.ingest(north, flow.look(north)).taken == ("north/2024-02",)
    assert shown(north)["2024-02"] == "MATERIALIZED"

    record = RECORD.replace("CONTENT", outstanding_content(north))
    (north.folder / "corrections").mkdir()
    (north.folder / "corrections" / "north.yml").write_text(record)
    north = opened(north.folder)
    with warehouse(north.warehouse) as connection:
        withdraw(connection, north)
    show(north)
    assert states(north) == [("2024-01", "accepted"), ("2024-02", "withdrawn")]
    assert shown(north) == {"2024-01": "MATERIALIZED", "2024-02": "FAILED"}
    assert "withdrawn by a record in corrections/north.yml" in told(north, "2024-02")


def outstanding_content(registry: Registry) -> str:
    [(content,)] = query(
        registry,
        "select content_sha256 from raw.delivery where delivery_id = '2024-02' and state = 'accepted'",
    )
    return content[:12]


def test_a_delivery_refused_for_its_structure_is_red_with_its_reason_and_is_not_judged_again(
    north: Registry,
) -> None:
    deliver(north.landing / "north" / "2024-02", "labs", LABS.replace("result", "outcome", 1))
    done = flow.ingest(north, flow.look(north))
    assert done.taken == ("north/2024-01",)
    assert shown(north) == {"2024-01": "MATERIALIZED", "2024-02": "FAILED"}
    assert 'no column "result"' in told(north, "2024-02")
    assert not click(north, "2024-02")
    assert shown(north)["2024-02"] == "FAILED"
    assert 'no column "result"' in told(north, "2024-02")
    deliver(north.landing / "north" / "2024-03", "labs", LABS)
    assert [i.delivery for i in outstanding(north)] == ["2024-03"]
    flow.ingest(north, flow.look(north))
    assert outstanding(north) == []  # once per content and mapping, whatever else arrives


def test_a_delivery_that_an_earlier_one_contradicts_turns_red_when_that_one_is_taken(north: Registry) -> None:
    flow.ingest(north, flow.look(north))
    deliver(north.landing / "north" / "2024-01", "labs", LABS.replace(",CK,1", ",CK,2"))
    flow.ingest(north, flow.look(north))
    assert states(north) == [("2024-01", "accepted"), ("2024-02", "refused")]
    assert shown(north) == {"2024-01": "MATERIALIZED", "2024-02": "FAILED"}


def test_a_partition_whose_folder_is_gone_is_red_and_what_was_taken_of_it_stays(north: Registry) -> None:
    flow.ingest(north, flow.look(north))
    shutil.move(north.landing / "north" / "2024-02", north.folder / "elsewhere")
    assert not click(north, "2024-02")
    assert "Put the folder back" in told(north, "2024-02")
    assert states(north) == [("2024-01", "accepted"), ("2024-02", "accepted")]


def test_a_run_that_died_after_the_delivery_was_taken_is_shown_green_by_the_next_one(
    north: Registry,
) -> None:
    point_at(north)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("deliveries_north", ["2024-01"])
    assert ingest(north, "north", "2024-01").is_accepted
    show(north)
    assert shown(north) == {"2024-01": "MATERIALIZED"}
