"""The hash that DuckDB computes is HMAC-SHA-256 of RFC 2104, and its key is its owner's alone."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

import duckdb
import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.raw.pseudonym import (
    PseudonymKeyError,
    hash_sql,
    key_of_warehouse,
    read_or_make_key,
    set_key,
)


@pytest.mark.parametrize("text", ["1", "住院号 00412053", "x" * 500, ""])
def test_the_hash_is_hmac_sha_256(text: str) -> None:
    key = bytes(range(32))
    with duckdb.connect() as connection:
        set_key(connection, key)
        (ours,) = connection.execute(f"select {hash_sql('t')} from (select ? as t)", [text]).fetchone()
    assert ours == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def test_a_key_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "pseudonym.key"
    first = read_or_make_key(path)
    assert read_or_make_key(path) == first and len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make_key(tmp_path / "other.key") != first


def test_a_process_that_dies_while_it_makes_the_key_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an empty file stands where the key belongs, and every later run asks for a backup that nobody
    has.
    """

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "pseudonym.key"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "fsync", dies)
        read_or_make_key(path)
    assert not path.exists()
    assert len(read_or_make_key(path)) == 32


def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    read_or_make_key(path)
    path.chmod(0o644)
    with pytest.raises(PseudonymKeyError, match="chmod 600"):
        read_or_make_key(path)


def test_a_damaged_key_is_refused_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    path.write_text("not a key")
    path.chmod(0o600)
    with pytest.raises(PseudonymKeyError, match="restore the file from its backup"):
        read_or_make_key(path)
    assert path.read_text() == "not a key"


def test_a_hash_that_links_hospitals_cannot_be_compared_with_a_patient_key() -> None:
    key = bytes(range(32))
    with duckdb.connect() as connection:
        set_key(connection, key)
        query = f"select {hash_sql('t', 'link')}, {hash_sql('t')} from (select '1' as t)"
        link, patient = connection.execute(query).fetchone()
    derived = hmac.new(key, b"link", hashlib.sha256).digest()
    assert link == hmac.new(derived, b"1", hashlib.sha256).hexdigest()[:32]
    assert link != patient


def test_a_warehouse_keeps_to_one_key_and_gets_no_new_one_when_it_is_gone(tmp_path: Path) -> None:
    path, database = tmp_path / "pseudonym.key", tmp_path / "warehouse" / "warehouse.duckdb"
    with warehouse(database) as connection:
        key = key_of_warehouse(connection, path)
        assert key_of_warehouse(connection, path) == key
        path.unlink()
        with pytest.raises(PseudonymKeyError, match=r"no key here, .* restore the file from its backup"):
            key_of_warehouse(connection, path)
        assert not path.exists()
        read_or_make_key(path)
        with pytest.raises(PseudonymKeyError, match="another key"):
            key_of_warehouse(connection, path)
    assert key.hex().encode() not in database.read_bytes() and key not in database.read_bytes()
