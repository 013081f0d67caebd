"""Dagster's store with connections that stay open: others see what is written, and it may be wiped."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from orchestration.resources import DAGSTER_YAML
from orchestration.running import event_log


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML)
    return tmp_path


@dg.asset
def something() -> None:
    pass


def materialize(instance: dg.DagsterInstance) -> str:
    return dg.materialize([something], instance=instance).run_id


def materialized(instance: dg.DagsterInstance) -> list[str]:
    found = instance.fetch_materializations(dg.AssetKey("something"), limit=100)
    return [record.run_id for record in found.records]


def test_events_of_one_process_are_seen_by_another_while_both_are_open(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as writer, dg.DagsterInstance.from_config(str(home)) as reader:
        assert isinstance(writer.event_log_storage, event_log.EventLog)
        first, second = materialize(writer), materialize(reader)
        assert materialized(writer) == materialized(reader) == [second, first]
        assert [e.step_key for e in reader.all_logs(first)] == [e.step_key for e in writer.all_logs(first)]


def test_a_wiped_instance_is_written_to_again(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        materialize(instance)
        instance.wipe()
        assert materialized(instance) == []
        run = materialize(instance)
        assert materialized(instance) == [run]


def test_only_so_many_runs_databases_are_open_and_closed_ones_open_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "OPEN_AT_MOST", 2)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = [materialize(instance) for _ in range(3)]
        assert len(instance.event_log_storage._engines) == 2
        assert all(instance.all_logs(run) for run in runs)
        assert materialized(instance) == runs[::-1]
