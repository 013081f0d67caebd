"""Dagster's store with connections that stay open: others see what is written, it may be wiped, and an
upgrade tells what to compare.
"""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

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
    with (
        dg.DagsterInstance.from_config(str(home)) as writer,
        dg.DagsterInstance.from_config(str(home)) as reader,
    ):
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


def test_only_so_many_runs_databases_are_open_and_closed_ones_open_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "OPEN_AT_MOST", 2)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = [materialize(instance) for _ in range(3)]
        assert len(instance.event_log_storage._engines) == 2
        assert all(instance.all_logs(run) for run in runs)
        assert materialized(instance) == runs[::-1]


PUBLIC = """\
storage:
  sqlite:
    base_dir: {env: DAGSTER_HOME}
"""


def test_dagsters_own_store_reads_what_this_one_wrote_and_the_other_way_round(home: Path) -> None:
    """So that a registry may go over to it, on the day on which an upgrade of Dagster asks for that."""
    with dg.DagsterInstance.from_config(str(home)) as ours:
        first = materialize(ours)
    (home / "dagster.yaml").write_text(PUBLIC)
    with dg.DagsterInstance.from_config(str(home)) as theirs:
        assert type(theirs.event_log_storage) is SqliteEventLogStorage
        assert materialized(theirs) == [first] and theirs.all_logs(first)
        second = materialize(theirs)
    (home / "dagster.yaml").write_text(DAGSTER_YAML)
    with dg.DagsterInstance.from_config(str(home)) as ours:
        assert materialized(ours) == [second, first]


# what `running/event_log.py` puts its own in place of, and what it calls, as Dagster 1.13.27 has them
RESTS_ON = {
    "SqliteEventLogStorage.__init__": "264c15baa761",
    "SqliteEventLogStorage._connect": "b8435f266568",
    "SqliteEventLogStorage._initdb": "7a302d98eb61",
    "SqliteEventLogStorage.has_table": "577d801c70b2",
    "SqliteEventLogStorage.conn_string_for_shard": "896bc510d776",
    "SqliteEventLogStorage.dispose": "df16dafbfa84",
    "SqliteEventLogStorage.wipe": "de02c63676e7",
    "SqliteEventLogStorage.delete_events": "a14c58828a90",
    "DagsterSqliteStorage.__init__": "bcf5aa27a5dd",
    "DagsterSqliteStorage.from_config_value": "7330f7b17b21",
}


@pytest.mark.parametrize("name", RESTS_ON)
def test_what_the_store_rests_on_in_dagster_is_what_it_was(name: str) -> None:
    """Fails on an upgrade that changed one: read Dagster's new text beside ours, mend ours, and write the new
    digest here.
    """
    owner, method = name.split(".")
    text = inspect.getsource(
        getattr({c.__name__: c for c in (SqliteEventLogStorage, DagsterSqliteStorage)}[owner], method)
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == RESTS_ON[name], (
        f"Dagster {dg.__version__} has another {name}: compare it with orchestration/running/event_log.py"
    )
