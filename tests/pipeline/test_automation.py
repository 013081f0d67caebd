"""What the sensor and the nightly schedules launch, and for which deliveries."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from orchestration import automation
from orchestration.database.warehouse_file import warehouse
from orchestration.definitions import build_definitions, ingestion_definitions
from orchestration.landing.arrivals import is_complete
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from tests.registries import copy_registry, opened
from tests.unit.test_loading import MAPPING, make_registry
from yaml_files.yaml_file import ConfigurationError

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
    # the process of the first run takes the second too
    assert launched(north) == {"sensor": [first], "nightly": [first], "partitions": ["first", "second"]}


def test_a_look_removes_what_a_killed_reader_left(north: Registry) -> None:
    """It holds what files held; a refused delivery asks for no run that would remove it."""
    left = north.warehouse.parent / "reading-left"
    left.mkdir(parents=True)
    (left / "sheet.csv").write_text("id,name\n1,Anna Example\n")
    launched(north)
    assert not left.exists()


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


def told(registry: Registry, instance: dg.DagsterInstance, defs: dg.Definitions) -> str:
    """What the sensor tells when it launches nothing."""
    answer = defs.resolve_sensor_def("new_deliveries")(dg.build_sensor_context(instance=instance))
    assert isinstance(answer, dg.SkipReason), answer
    return answer.skip_message or ""


def test_each_look_reads_the_registry_as_its_files_are_now(north: Registry) -> None:
    """One instance of the definitions lives on, as in the code server."""
    point_at(north)
    mapping, good = north.folder / "hospitals" / "north.yml", MAPPING
    with dg.DagsterInstance.get() as instance:
        defs = build_definitions(north)
        mapping.write_text(good.replace("sex: sex", "sx: sex"))
        with pytest.raises(automation.CannotBeUsed, match=r'hospitals/north.yml:6:.*Did you mean "sex"\?'):
            told(north, instance, defs)
        mapping.write_text("sender: [north")
        with pytest.raises(automation.CannotBeUsed, match="not valid YAML"):
            told(north, instance, defs)
        mapping.write_text(good.replace("name: North Hospital", "name: Another"))
        assert 'press "Reload definitions"' in told(north, instance, defs)
        mapping.write_text(good)
        (north.landing / "nobody").mkdir()
        shutil.rmtree(north.landing / "north" / "first")
        assert "landing/nobody: no mapping reads this sender" in told(north, instance, defs)


def test_a_faulty_registry_gives_definitions_that_tell_the_faults_and_run_nothing(north: Registry) -> None:
    error = ConfigurationError(["registry.yml:1: name: a text is wanted"])
    defs = automation.faulty_registry(error)
    [asset] = defs.resolve_all_asset_specs()
    assert "registry.yml:1: name: a text is wanted" in (asset.description or "")
    assert not list(defs.jobs or [])


def test_somebody_who_reads_the_warehouse_file_is_named_and_no_attempt_is_spent(north: Registry) -> None:
    point_at(north)
    with warehouse(north.warehouse):
        pass
    code = f"import duckdb, time; c = duckdb.connect({str(north.warehouse)!r}, read_only=True); print(1, flush=True); time.sleep(60)"
    reader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert reader.stdout is not None
        reader.stdout.readline()
        with dg.DagsterInstance.get() as instance:
            assert f"process {reader.pid} (python -c) reads it" in told(
                north, instance, build_definitions(north)
            )
    finally:
        reader.kill()
        reader.communicate()


def test_a_sender_that_delivers_regularly_has_a_check_that_runs_every_day(north: Registry) -> None:
    mapping = north.folder / "hospitals" / "north.yml"
    mapping.write_text(
        MAPPING.replace("name: North Hospital", "name: North Hospital\nexpected_every: 3 months")
    )
    defs = build_definitions(opened(north.folder))
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("daily_checks").execute_in_process(instance=instance)
    [found] = result.get_asset_check_evaluations()
    assert (found.check_name, found.passed) == ("arrives_on_time", False)
    assert found.description == "north: a delivery is expected every 3 months, and none has been accepted yet"
    schedule = defs.resolve_schedule_def("checks_of_the_day")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "UTC")


def test_a_link_to_nothing_is_waited_for_by_nobody_so_that_it_is_refused(north: Registry) -> None:
    (north.landing / "north" / "second" / "labs.csv").symlink_to(north.folder / "nowhere")
    assert is_complete(north, "north", "second", now=time.time() + 7200)


def test_a_delivery_that_comes_answers_the_check_of_its_sender(north: Registry) -> None:
    from orchestration.command import flow

    mapping = north.folder / "hospitals" / "north.yml"
    mapping.write_text(
        MAPPING.replace("name: North Hospital", "name: North Hospital\nexpected_every: 3 months")
    )
    registry = opened(north.folder)
    assert flow.ingest(registry, flow.look(registry)).taken == ("north/first",)
    key = dg.AssetCheckKey(dg.AssetKey(["raw", "north"]), "arrives_on_time")
    with dg.DagsterInstance.get() as instance:
        [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    found = record.event.dagster_event.asset_check_evaluation_data
    assert found.passed and "the next delivery is due on" in found.description
