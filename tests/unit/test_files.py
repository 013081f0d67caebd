"""Files and links appear whole or not at all, and only `orchestration/files.py` renames."""

from __future__ import annotations

import ast
import os
import stat
from pathlib import Path

import pytest

from orchestration import files
from orchestration.files import (
    create_atomically,
    drop_parts,
    put_folder_in_place,
    put_in_place,
    swap_link,
    write_atomically,
)

ROOT = Path(__file__).parents[2]
RENAMES = {
    "replace",
    "rename",
    "renames",
    "link",
    "symlink",
    "symlink_to",
    "hardlink_to",
    "mkstemp",
    "NamedTemporaryFile",
    "fsync",
}


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_replaced_whole_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    path.write_text("what stood there, and is longer")
    assert write_atomically(path, "名,n\r\n") == path
    assert path.read_bytes() == "名,n\r\n".encode()
    assert write_atomically(path, b"\xff", durable=True).read_bytes() == b"\xff"
    assert names_in(tmp_path) == ["figures.csv"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_write_that_breaks_leaves_what_stood_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "manifest.json"
    path.write_text("whole")

    def breaks(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space left"):
        patched.setattr(os, broken, breaks)
        write_atomically(path, "half", durable=True)
    assert path.read_text() == "whole"


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins and ends between the first one's write and its rename."""
    path, renamed = tmp_path / "hashes.json", os.replace

    def meanwhile(part: Path, target: Path) -> None:
        monkeypatch.setattr(os, "replace", renamed)
        write_atomically(path, "second")
        assert path.read_text() == "second"
        renamed(part, target)

    monkeypatch.setattr(os, "replace", meanwhile)
    write_atomically(path, "first")
    assert path.read_text() == "first"
    assert names_in(tmp_path) == ["hashes.json"]


def test_the_mode_is_that_asked_for_from_the_first_byte_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    renamed = os.replace
    monkeypatch.setattr(
        os,
        "replace",
        lambda part, path: (seen.append(stat.S_IMODE(part.stat().st_mode)), renamed(part, path)),
    )
    old = os.umask(0o022)
    try:
        write_atomically(tmp_path / "open", "a")
        write_atomically(tmp_path / "closed", "a", mode=0o600)
    finally:
        os.umask(old)
    assert seen == [0o644, 0o600]


def test_of_two_that_create_a_file_one_does(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert create_atomically(path, "first", mode=0o600)
    assert not create_atomically(path, "second", mode=0o600)
    assert path.read_text() == "first" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["key"]


def test_a_link_is_never_absent_while_it_is_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "current"
    swap_link(link, "one")
    seen: list[str] = []
    renamed = os.replace
    monkeypatch.setattr(
        os, "replace", lambda part, path: (seen.append(os.readlink(link)), renamed(part, path))
    )
    swap_link(link, "two", durable=True)
    assert (seen, os.readlink(link)) == (["one"], "two")
    assert names_in(tmp_path) == ["current"]


def test_a_link_takes_the_place_of_a_folder_that_a_copy_without_links_made(tmp_path: Path) -> None:
    link = tmp_path / "current"
    (link / "within").mkdir(parents=True)
    swap_link(link, "one")
    assert os.readlink(link) == "one" and names_in(tmp_path) == ["current"]


def test_a_folder_is_put_in_place_whole(tmp_path: Path) -> None:
    (tmp_path / ".part").mkdir()
    (tmp_path / ".part" / "report.html").touch()
    put_in_place(tmp_path / ".part", tmp_path / "report")
    assert names_in(tmp_path / "report") == ["report.html"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not can_exchange:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    put_folder_in_place(tmp_path / "new", tmp_path / "old")
    assert names_in(tmp_path) == ["old"] and names_in(tmp_path / "old") == ["new"]


def test_a_folder_is_never_absent_while_another_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(files.os, "replace", lambda *_: pytest.fail("a rename leaves a moment without it"))
    monkeypatch.setattr(files.shutil, "rmtree", lambda *_, **__: (tmp_path / "old").stat())
    put_folder_in_place(tmp_path / "new", tmp_path / "old")


def test_what_killed_processes_left_half_written_goes_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".current.duckdb.0a1b2c3d.part").symlink_to("nowhere")
    (tmp_path / ".r1.json.0a1b2c3d.part").touch()
    (tmp_path / "r1.json").touch()
    (tmp_path / ".hidden").touch()
    drop_parts(tmp_path)
    assert names_in(tmp_path) == [".hidden", "r1.json"]


def test_no_other_module_renames_links_or_syncs() -> None:
    found = set()
    for folder in ("orchestration", "analytics", "expectations", "yaml_files"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr in RENAMES
                    and not _is_of_texts_or_frames(node)
                ):
                    found.add((path.relative_to(ROOT).as_posix(), node.attr))
    here = Path(files.__file__).relative_to(ROOT).as_posix()
    assert {f for f in found if f[0] != here} == {
        ("orchestration/exports/delimited.py", "mkstemp"),  # a scratch file: nobody else reads it
        ("orchestration/landing/names.py", "symlink_to"),  # a scratch link, under a name that tells nothing
    }
    assert {f[1] for f in found if f[0] == here} == {"replace", "link", "symlink_to", "fsync"}


def _is_of_texts_or_frames(node: ast.Attribute) -> bool:
    """`replace` and `rename` of a text, a date, a record or a data frame; those of files are asked of os,
    shutil or a path.
    """
    if node.attr not in ("replace", "rename"):
        return False
    owner = ast.unparse(node.value)
    return owner not in ("os", "shutil") and not owner.endswith(("path", "Path", "part", "candidate", "link"))
