"""The warehouse file when it cannot be used: a sentence that names it, not DuckDB's exception."""

from pathlib import Path

import duckdb
import pytest

from orchestration import database


def test_a_file_beside_which_nothing_can_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    with pytest.raises(database.WarehouseUnusable, match=said), database.warehouse(file):
        pass
