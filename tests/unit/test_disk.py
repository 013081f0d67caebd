"""A full disk, a quota and a read-only mount: what is told, and what still works."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import duckdb
import pytest

from orchestration.command import cli, console
from orchestration.command.disk import told
from orchestration.database.warehouse_file import glance, warehouse
from orchestration.files import is_of_the_disk
from orchestration.landing.inventory import take_inventory
from tests.unit.test_loading import make_registry


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (duckdb.IOException('IO Error: Could not write file "w.duckdb": No space left on device'), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (sqlite3.OperationalError("disk I/O error"), True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), False),
        (ValueError("a full sheet"), False),
    ],
)
def test_an_error_of_the_disk_is_known_whoever_raised_it(error: Exception, is_it: bool) -> None:
    outer = RuntimeError("a step failed")
    outer.__cause__ = error
    assert (is_of_the_disk(error), is_of_the_disk(outer)) == (is_it, is_it)


def test_errors_that_were_raised_from_each_other_are_looked_at_once() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert not is_of_the_disk(one)


def test_a_full_disk_is_told_with_what_is_free_needed_and_can_be_removed(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    registry.releases.mkdir()
    for name in ("r1", "r2"):
        (registry.releases / f"{name}.duckdb").write_bytes(bytes(3_000_000))
    (registry.releases / "current.duckdb").symlink_to("r2.duckdb")
    sentence = told(OSError(errno.ENOSPC, "No space left on device"), registry)
    assert "MB are free there" in sentence or "GB are free there" in sentence
    assert "a run needs about 210 MB" in sentence
    assert f"What can be removed: older releases, {registry.releases}/r* (3 MB)." in sentence
    read_only = told(OSError(errno.EROFS, "Read-only file system"), registry)
    assert "it lies on a read-only mount" in read_only and "Mount it for writing" in read_only


def test_the_command_tells_a_full_disk_and_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    assert cli.guarded(write) == 2
    found = capsys.readouterr().err
    assert "the disk is full, or fails" in found and "internal error" not in found


def test_a_look_opens_the_warehouse_for_reading_only(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    with warehouse(registry.warehouse):
        pass
    with glance(registry.warehouse) as connection, pytest.raises(duckdb.InvalidInputException):
        connection.execute("delete from raw.delivery")


def test_hashes_that_cannot_be_kept_are_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = make_registry(tmp_path)
    for file in registry.landing.rglob("*.csv"):
        os.utime(file, (1, 1))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("orchestration.landing.inventory.write_atomically", full)
    monkeypatch.setattr("orchestration.landing.inventory.SETTLED_SECONDS", -1e9)
    assert len(take_inventory(registry, "north", "first").files) == 2


def test_words_of_a_hospital_are_no_colour_and_no_picture(capsys: pytest.CaptureFixture[str]) -> None:
    console.out.print("ward :x: [red]3[/red]")
    console.table(":x:", ["[b]a[/b]"], [(":smile: [i]1[/i]",)])
    found = capsys.readouterr().out
    assert "ward :x: [red]3[/red]" in found and ":smile: [i]1[/i]" in found and "[b]a[/b]" in found
