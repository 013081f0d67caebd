"""Hashes of delivered files are kept between runs, and never outlive a change of the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestration.landing import inventory
from orchestration.landing.inventory import HASHES, take_inventory
from orchestration.registry.folder import Registry
from tests.unit.test_loading import make_registry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(inventory, "SETTLED_SECONDS", -1.0)
    return make_registry(tmp_path)


def content(registry: Registry) -> str:
    return take_inventory(registry, "north", "first").content_sha256


def test_a_file_that_has_not_changed_is_not_read_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = content(registry)

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(inventory.hashlib, "file_digest", refuse)
    assert content(registry) == first


def test_other_content_of_the_same_size_and_time_is_seen(registry: Registry) -> None:
    first = content(registry)
    file = registry.landing / "north" / "first" / "visits.csv"
    stat, text = file.stat(), file.read_text()
    file.write_text(text[:-2] + ("8" if text[-2] != "8" else "9") + text[-1])
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert content(registry) != first


def test_a_file_that_changed_a_moment_ago_is_not_kept(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "SETTLED_SECONDS", 3600.0)
    content(registry)
    assert not registry.warehouse.with_name(HASHES).exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", json.dumps({"north/first/visits.csv": "?"})])
def test_damaged_hashes_are_made_again(registry: Registry, damage: str) -> None:
    first = content(registry)
    registry.warehouse.with_name(HASHES).write_text(damage)
    assert content(registry) == first
