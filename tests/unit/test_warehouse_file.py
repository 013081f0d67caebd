"""Who holds the warehouse file, and what can be read meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from orchestration.database.warehouse_file import (
    LOCK_WAIT_SECONDS,
    WarehouseBusy,
    glance,
    holders,
    trying_out,
    warehouse,
)
from orchestration.warehouse import dbt
from tests.unit.test_loading import make_registry

Hold = Callable[[bool], subprocess.Popen[bytes]]
HOLD = (
    "import duckdb, time; c = duckdb.connect({!r}, read_only={}); print('open', flush=True); time.sleep(60)"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with warehouse(path) as connection:
        connection.execute("create table kept as select 1 as a")
    return path


@pytest.fixture
def hold(file: Path) -> Iterator[Hold]:
    begun = []

    def held(read_only: bool) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD.format(str(file), read_only)], stdout=subprocess.PIPE
        )
        begun.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield held
    for process in begun:
        process.kill()
        process.communicate()


def test_a_reader_keeps_nobody_from_looking_and_is_named(file: Path, hold: Hold) -> None:
    reader = hold(True)
    [found] = holders(file)
    assert (found.pid, found.writes) == (reader.pid, False)
    with glance(file, 1) as connection:
        assert connection.execute("from kept").fetchall() == [(1,)]


def test_a_writer_is_not_waited_for_long_and_is_named(file: Path, hold: Hold) -> None:
    other = hold(False)
    began = time.monotonic()
    with pytest.raises(WarehouseBusy) as busy, glance(file, 0.5):
        pass
    assert time.monotonic() - began < 3
    assert str(busy.value) == (
        f"warehouse.duckdb: the warehouse is in use: process {other.pid} (python -c) writes to it; wait "
        "until the run has ended, then run again. Analysts read release/current.duckdb, which blocks "
        "nobody"
    )


def test_a_look_needs_no_file_and_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "none" / "warehouse.duckdb"
    with glance(path) as connection:
        assert connection.execute("select count(*) from raw.delivery").fetchall() == [(0,)]
    assert not path.parent.exists()


def test_a_look_sees_what_a_killed_writer_had_committed(file: Path, hold: Hold) -> None:
    code = f"import duckdb, os; duckdb.connect({str(file)!r}).execute('insert into kept values (2)'); os._exit(9)"
    subprocess.run([sys.executable, "-c", code])
    with glance(file) as connection:
        assert connection.execute("from kept order by a").fetchall() == [(1,), (2,)]


def test_dbt_waits_for_the_file_as_long_as_everything_else_does(
    file: Path, hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbt.adapters.duckdb import environments

    hold(True)
    slept: list[float] = []
    monkeypatch.setattr(environments, "time", SimpleNamespace(sleep=slept.append))
    registry = make_registry(tmp_path / "other")
    monkeypatch.setenv("MYOSITIS_WAREHOUSE", str(file))
    with pytest.raises(dbt.DbtFailed, match="Could not set lock"):
        dbt.build(registry, full_refresh=False, with_seeds=False)
    assert LOCK_WAIT_SECONDS <= sum(slept) < 2 * LOCK_WAIT_SECONDS


def test_what_is_tried_out_stays_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with warehouse(file) as connection:
        connection.execute("insert into raw.registry_load_to_restage values ('load')")
    file.chmod(0o400)
    with trying_out(file, ["registry_load_to_restage"]) as connection:
        connection.execute("insert into raw.registry_load_to_restage values ('other')")
        assert connection.execute("from raw.registry_load_to_restage order by all").fetchall() == [
            ("load",),
            ("other",),
        ]
        with pytest.raises(duckdb.Error):
            connection.execute("delete from raw.delivery")
    with glance(file) as connection:
        assert connection.execute("from raw.registry_load_to_restage").fetchall() == [("load",)]
