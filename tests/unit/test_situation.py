"""How a registry stands, as one frozen record that whoever shows it is handed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw import ledger
from orchestration.raw.ledger import State
from orchestration.raw.verdict import LoadSummary, Verdict, accepted, refused
from orchestration.registry.folder import Registry, load_registry
from orchestration.running.refusals import DeliveryRefusal
from orchestration.situation import Delivery, Release, read_situation
from tests.unit.test_loading import make_registry


@pytest.fixture
def north(tmp_path: Path) -> Registry:
    return make_registry(tmp_path)


def record(registry: Registry, verdict: Verdict) -> None:
    with warehouse(registry.warehouse) as connection:
        ledger.record(
            connection, take_inventory(registry, verdict.sender, verdict.delivery), "incremental", verdict
        )


def publish(registry: Registry, name: str, made_at: str) -> None:
    """A release that readers see, and its manifest."""
    registry.releases.mkdir(exist_ok=True)
    (registry.releases / f"{name}.duckdb").touch()
    (registry.releases / f"{name}.json").write_text(
        json.dumps(
            {
                "release_id": name,
                "made_at": made_at,
                "synthetic": False,
                "checks": {"run": 3, "passed": 2, "waived": 0},
            }
        )
    )
    (registry.releases / "current.duckdb").unlink(missing_ok=True)
    (registry.releases / "current.duckdb").symlink_to(f"{name}.duckdb")


def test_a_new_registry_has_a_delivery_outstanding_and_nothing_else(north: Registry) -> None:
    situation = read_situation(north)
    assert [(i.sender, i.delivery) for i in situation.outstanding] == [("north", "first")]
    assert dataclasses.replace(situation, outstanding=()) == dataclasses.replace(
        situation, deliveries=(), outstanding=(), strays=(), missing=(), releases=(), waivers=()
    )
    assert situation.current_release is None and not situation.has_accepted


def test_a_refused_delivery_is_no_longer_outstanding_and_stands_refused_with_every_reason(
    north: Registry,
) -> None:
    record(north, refused("north", "first", ["one reason", "another, with lines\n  of its own"]))
    situation = read_situation(north)
    assert situation.outstanding == ()
    assert situation.deliveries == (
        Delivery("north", "first", State.REFUSED, reason="one reason\nanother, with lines\n  of its own"),
    )
    [refusal] = situation.refusals
    assert refusal.key == ("north", "first")
    assert (
        refusal.sentence()
        == "north/first stands refused:\n  one reason\n  another, with lines\n    of its own"
    )
    assert (
        DeliveryRefusal("north", "first", ("one reason",)).sentence() == "north/first refused:\n  one reason"
    )


def test_an_accepted_delivery_whose_folder_is_gone_is_missing_and_a_folder_of_nobody_is_a_stray(
    north: Registry,
) -> None:
    record(north, accepted("north", "first", LoadSummary("a load")))
    (north.landing / "north" / "first").rename(north.landing / "nobody")
    situation = read_situation(north)
    assert situation.has_accepted and not situation.deliveries[0].is_judged
    assert [(m.sender, m.delivery) for m in situation.missing] == [("north", "first")]
    assert [(s.sender, s.delivery) for s in situation.strays] == [("nobody", None)]


def test_releases_are_told_from_the_newest_and_only_those_that_are_whole(north: Registry) -> None:
    publish(north, "r2", "2024-02-01T00:00:00+00:00")
    publish(north, "r1", "2024-01-01T00:00:00+00:00")
    (north.releases / "r3.json").write_text("{}")  # of a release that was not published
    assert read_situation(north).releases == (
        Release("r2", "2024-02-01T00:00:00+00:00", False, 3, 2, is_current=False),
        Release("r1", "2024-01-01T00:00:00+00:00", False, 3, 2, is_current=True),
    )


def test_waivers_to_renew_are_those_that_end_within_a_month_the_first_to_end_first(north: Registry) -> None:
    (north.folder / "waivers.yml").write_text(
        "".join(
            [
                "waivers:\n",
                *(
                    f"  - {{expectation: sex_complete, hospital: north, owner: A. Keeper, reason: {reason}, expires: {day}}}\n"
                    for reason, day in (
                        ("later", "2025-08-01"),
                        ("soon", "2025-06-30"),
                        ("ended", "2025-05-01"),
                    )
                ),
            ]
        )
    )
    situation = read_situation(load_registry(north.folder))
    assert len(situation.waivers) == 3
    assert [w.reason for w in situation.waivers_to_renew(date(2025, 6, 1))] == ["ended", "soon"]


def test_a_situation_is_read_without_dagster_and_prints_nothing(
    north: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    read_situation(north)
    assert capsys.readouterr() == ("", "")
    code = "import orchestration.situation, sys; sys.exit(any(m in sys.modules for m in ('dagster', 'dbt', 'pandas', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
