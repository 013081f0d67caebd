"""The warehouse file when it cannot be used: a sentence that names it, not DuckDB's exception."""

from pathlib import Path

import duckdb
import pytest

from orchestration.database import raw_tables
from orchestration.database import warehouse_file as database


def test_a_file_beside_which_nothing_can_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB opens such a file and fails at the first commit, when it makes the log beside it."""
    file, connect = tmp_path / "warehouse.duckdb", database._connect
    with database.warehouse(file):
        pass

    def with_a_log_that_cannot_be_made(path: Path, wait_seconds: float) -> duckdb.DuckDBPyConnection:
        connection = connect(path, wait_seconds)
        path.with_name(f"{path.name}.wal").mkdir()
        return connection

    monkeypatch.setattr(database, "_connect", with_a_log_that_cannot_be_made)
    said = r"warehouse\.duckdb: the warehouse cannot be opened: .*\nLet its folder be read"
    with pytest.raises(database.WarehouseUnusable, match=said), database.warehouse(file) as connection:
        raw_tables.put_state(connection, "a state", "a value")


def test_a_file_that_is_read_within_is_not_taken_for_the_warehouse(tmp_path: Path) -> None:
    with (
        pytest.raises(duckdb.IOException, match=r"absent\.csv"),
        database.warehouse(tmp_path / "warehouse.duckdb") as connection,
    ):
        connection.execute(f"from read_csv('{tmp_path / 'absent.csv'}')")


def test_a_file_of_an_older_version_gets_the_tables_that_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with database.warehouse(file) as connection:
        connection.execute(
            "drop table raw.load_subject; alter table raw.patients drop column diagnosis; create table raw.state (i int)"
        )
        raw_tables.put_state(connection, raw_tables.RAW_LAYOUT, "an older one")
    with database.warehouse(file) as connection:
        assert connection.execute("select count(*) from raw.load_subject").fetchone() == (0,)
        assert connection.execute("select count(diagnosis) from raw.patients").fetchone() == (0,)
        assert connection.execute(
            "select count(*) from duckdb_tables() where table_name = 'state'"
        ).fetchone() == (0,)


def test_opening_a_file_writes_nothing_to_it(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with database.warehouse(file):
        pass
    before = file.read_bytes()
    with database.warehouse(file):
        pass
    assert file.read_bytes() == before
