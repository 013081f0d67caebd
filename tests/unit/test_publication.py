"""Publishing a release: whenever it is cut short, the link leads to a whole file, and a manifest describes
the file beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from analytics.study.file import Study
from orchestration.registry.folder import Registry
from orchestration.release.candidate import candidate_file
from orchestration.release.identity import CURRENT, current_manifest
from orchestration.release.publication import NotWhole, publish
from tests.unit.small_study import STUDY
from tests.unit.test_loading import make_registry

SMALL = Study.model_validate(STUDY)
FILE_CALLS = ("chmod", "unlink", "replace", "symlink", "fsync")


def make_candidate(registry: Registry, rows: int) -> None:
    """A release of the same name, with so many rows: what an update of a library makes of equal inputs."""
    path = candidate_file(registry)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"""
            create schema release; create schema quality;
            create table release.release_info as select 'r1' as release_id, 'small' as registry_name;
            create table release.fct_visit as select range as visit from range({rows});
            create table quality.delivery as select 'north' as sender_id, 'first' as delivery_id, 'c' as content_sha256, 1 as rows_in,
                1 as rows_accepted, 0 as rows_rejected, 'l' as load_id_in_force;
            create table quality.check_result as select true as passed, false as waived;
        """)


def seen(registry: Registry) -> tuple[int, bool]:
    """Rows that a reader of the current release finds, and whether it has a manifest; one that is there
    describes that file.
    """
    path = (registry.releases / "current.duckdb").resolve(strict=True)
    manifest = path.with_suffix(".json")
    if manifest.exists():
        assert json.loads(manifest.read_text())["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("select count(*) from release.fct_visit").fetchall()[0][
            0
        ], manifest.exists()


def test_a_whole_release_made_again_stays_the_file_that_it_is(tmp_path: Path) -> None:
    """Equal content has one name, and somebody may be reading the file."""
    registry = make_registry(tmp_path)
    make_candidate(registry, rows=1)
    first = publish(registry)
    file = (registry.releases / CURRENT).resolve()
    kept = file.stat()
    make_candidate(registry, rows=1)
    again = publish(registry)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)
    assert again["sha256"] == first["sha256"] and not candidate_file(registry).exists()
    assert seen(registry) == (1, True)


def test_a_release_without_a_manifest_made_again_is_the_old_one_or_the_new_one_wherever_it_is_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = make_registry(tmp_path)
    found = []
    number = 0
    manifest = registry.releases / "r1.json"  # without it the release is no whole one, and is replaced
    while not found or not found[-1][2]:
        manifest.unlink(missing_ok=True)
        make_candidate(registry, rows=1)
        publish(registry)
        manifest.unlink()
        make_candidate(registry, rows=2)
        found.append((*seen(registry), _publish_until(registry, number, monkeypatch)))
        assert found[-1][:2] == (1, False)
        rows, has_manifest = seen(registry)
        assert rows in (1, 2)
        assert (
            has_manifest or current_manifest(registry) is None
        )  # and so the next run makes the release again
        number += 1
    assert number > 8
    assert seen(registry) == (2, True)


@pytest.mark.parametrize(
    ("results", "told"),
    [
        (None, "the candidate has no results"),
        ("select 'small' as study_id, 'r2' as release_id", "holds results of r2"),
        ("select 'other' as study_id, 'r1' as release_id", "no results of the studies small"),
    ],
)
def test_a_candidate_without_results_of_its_own_is_not_published(
    tmp_path: Path, results: str | None, told: str
) -> None:
    registry = make_registry(tmp_path)
    make_candidate(registry, rows=1)
    publish(registry)
    make_candidate(registry, rows=2)
    with duckdb.connect(str(candidate_file(registry))) as connection:
        connection.execute("create schema results")
        if results:
            connection.execute(f"create table results.study as {results}")
    asks = replace(registry, studies={"small": SMALL})
    with pytest.raises(
        NotWhole, match=rf"^not published: .*{told}.* an earlier release stays; make the whole"
    ):
        publish(asks)
    assert seen(registry) == (1, True)


def test_nothing_is_published_without_a_candidate(tmp_path: Path) -> None:
    with pytest.raises(NotWhole, match="there is no candidate; make the whole release"):
        publish(make_registry(tmp_path))


def _publish_until(registry: Registry, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Publish, and stop before the call to the file system that has this number; returns whether it came to
    its end.
    """
    left = iter(range(number))

    def watched(call):
        def before(*arguments, **named):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return call(*arguments, **named)

        return before

    with monkeypatch.context() as patched:
        for name in FILE_CALLS:
            patched.setattr(os, name, watched(getattr(os, name)))
        try:
            publish(registry)
        except KeyboardInterrupt:
            return False
    return True
