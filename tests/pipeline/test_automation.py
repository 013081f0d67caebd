"""What the sensor and the nightly schedules launch, and for which deliveries."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from orchestration import automation
from orchestration.definitions import build_definitions, ingestion_definitions
from orchestration.landing.arrivals import is_complete
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from tests.registries import copy_registry, opened
from tests.unit.test_loading import make_registry

SECOND = "id,date,CK,ALT,remark\n1,2024-03-05,90,20,\n"


@pytest.fixture
def north(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Two deliveries: one complete, one that is still arriving."""
    monkeypatch.setattr(automation, "EDIT_SECONDS", 0)
    make_registry(tmp_path / "made")
    registry = copy_registry(tmp_path / "made", tmp_path / "registry")
    settings = registry.folder / "registry.yml"
    settings.write_text(settings.read_text().replace("quiet_seconds: 0", "quiet_seconds: 3600"))
    second = registry.landing / "north" / "second"
    second.mkdir()
    (second / "visits.csv").write_text(SECOND)
    return opened(registry.folder)


def launched(registry: Registry) -> dict[str, list]:
    """(job, partition) that the sensor and the nightly schedule ask for."""
    point_at(registry)
    defs = build_definitions(registry)
    with dg.DagsterInstance.get() as instance:
        seen = defs.resolve_sensor_def("new_deliveries")(dg.build_sensor_context(instance=instance))
        night = defs.resolve_schedule_def("nightly_north")(dg.build_schedule_context(instance=instance))
        partitions = instance.get_dynamic_partitions("deliveries_north")
    return {
        "sensor": [(r.job_name, r.partition_key) for r in seen],
        "nightly": [(r.job_name, r.partition_key) for r in night],
        "partitions": partitions,
    }


def test_a_delivery_is_launched_once_it_is_complete(north: Registry) -> None:
    first = ("ingest_north", "first")
    assert launched(north) == {"sensor": [first], "nightly": [first], "partitions": ["first"]}
    (north.landing / "north" / "second" / "_SUCCESS").touch()
    second = ("ingest_north", "second")
    assert launched(north) == {
        "sensor": [first, second],
        "nightly": [first, second],
        "partitions": ["first", "second"],
    }


def test_a_delivery_is_taken_by_the_assets_and_checks_that_the_ui_shows(north: Registry) -> None:
    point_at(north)
    jobs = [
        definitions.resolve_job_def("ingest_north")
        for definitions in (build_definitions(north), ingestion_definitions(north))
    ]
    whole, alone = (
        {*job.asset_layer.executable_asset_keys, *job.asset_layer.asset_graph.asset_check_keys}
        for job in jobs
    )
    assert alone == whole
    assert len(alone) == 4


def test_a_delivery_is_taken_without_importing_dbt() -> None:
    code = "import orchestration.definitions, sys; sys.exit('dagster_dbt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_night_makes_a_release_that_a_cut_short_build_left_outstanding(north: Registry) -> None:
    """After a reboot no delivery is outstanding, so that nothing else would ever launch the build again."""
    from orchestration.raw.ingestion import ingest

    point_at(north)
    with dg.DagsterInstance.get() as instance:
        night = build_definitions(north).resolve_schedule_def("build_at_night")
        assert isinstance(night(dg.build_schedule_context(instance=instance)), dg.SkipReason)
        assert ingest(north, "north", "first").is_accepted
        [asked] = night(dg.build_schedule_context(instance=instance))
        assert asked.job_name == "build"


def test_a_link_to_nothing_or_a_file_that_vanishes_means_that_a_delivery_is_still_arriving(
    north: Registry,
) -> None:
    (north.landing / "north" / "second" / "labs.csv").symlink_to(north.folder / "nowhere")
    assert not is_complete(north, "north", "second", now=time.time() + 7200)
