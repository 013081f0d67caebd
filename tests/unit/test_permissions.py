"""What a registry makes is read by its owner, and by the group that it names."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.registry.folder import Registry, load_registry
from orchestration.registry.permissions import keep_from_others
from tests.unit.test_loading import make_registry
from yaml_files.yaml_file import ConfigurationError


@pytest.fixture(autouse=True)
def umask_as_before() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_is_the_owners(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    keep_from_others(registry)
    registry.releases.mkdir()
    (registry.releases / "r1.duckdb").write_text("")
    assert (mode(registry.releases), mode(registry.releases / "r1.duckdb")) == (0o700, 0o600)


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    inner = registry.reports / "r1" / "tables"
    inner.mkdir(parents=True)
    (inner / "table_i.csv").write_text("")
    keep_from_others(registry)
    assert (mode(registry.reports), mode(inner), mode(inner / "table_i.csv")) == (0o700, 0o700, 0o600)


def test_landing_and_declared_files_keep_their_modes(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    before = {path: mode(path) for path in (registry.landing, registry.folder / "registry.yml")}
    keep_from_others(registry)
    assert before == {path: mode(path) for path in before}


def with_group(folder: Path, name: str) -> Registry:
    file = make_registry(folder).folder / "registry.yml"
    file.write_text(f"{file.read_text()}group: {name}\n")
    return load_registry(folder)


def test_a_named_group_reads_too(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgroups()[0] if os.getgroups() else os.getegid())
    registry = with_group(tmp_path, group.gr_name)
    keep_from_others(registry)
    (registry.releases / "r1.duckdb").write_text("")
    (registry.folder / "private").mkdir()
    keep_from_others(registry)
    made = registry.releases / "r1.duckdb"
    assert (mode(registry.releases), mode(made), made.stat().st_gid) == (0o2750, 0o640, group.gr_gid)
    assert mode(registry.folder / "private") == 0o700


def test_an_unknown_group_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r'registry\.yml: group: this machine has no group "nobodys"'
    ):
        keep_from_others(with_group(tmp_path, "nobodys"))
