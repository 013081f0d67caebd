"""A release that fails its gate is not published: what is then not made, what stays, what the command
says.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from orchestration.command import cli, flow_commands
from orchestration.database.warehouse_file import warehouse
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from tests.registries import opened, query

MADE_BEHIND_THE_GATE = ("release", "results", "report")


@pytest.fixture
def damaged(shipped_run: Registry, tmp_path: Path) -> Registry:
    """The shipped registry after its run, a value in its marts spoilt, and a study that asks for a new
    release.
    """
    shutil.copytree(shipped_run.folder, tmp_path / "registry", symlinks=True)
    study = tmp_path / "registry" / "studies" / "nxp2.yml"
    study.write_text(
        study.read_text(encoding="utf-8").replace("{label: CMAS}", "{label: Muscle score}"), encoding="utf-8"
    )
    registry = opened(tmp_path / "registry")
    with warehouse(registry.warehouse) as connection:
        connection.execute(
            "update marts.fct_observation set value_canonical = 5200 where observation_key ="
            " (select min(observation_key) from marts.fct_observation where concept_id = 'cmas')"
        )
    return registry


def test_marts_that_break_a_law_are_not_released_and_the_last_good_release_stays(
    damaged: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (damaged.releases / "current.duckdb").resolve()
    reports = sorted(p.name for p in damaged.reports.iterdir())
    assert cli.guarded(lambda: flow_commands.run(registry=damaged.folder)) == cli.REFUSED
    told = capsys.readouterr()
    assert "no release: the marts do not pass their gate; an earlier release stays" in told.err
    assert "cmas" in told.err and "5200" not in told.err + told.out
    assert (damaged.releases / "current.duckdb").resolve() == before
    assert sorted(p.name for p in damaged.reports.iterdir()) == reports
    assert _made_in_the_last_run(damaged).isdisjoint(MADE_BEHIND_THE_GATE)
    failed = query(
        damaged,
        "select distinct layer, severity from quality.check_result where not passed and scope = 'marts' and severity = 'blocking'",
    )
    assert failed == [("marts", "blocking")]


def _made_in_the_last_run(registry: Registry) -> set[str]:
    point_at(registry)
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_run_records(limit=1)
        made = instance.all_logs(run.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        assert run.dagster_run.status == dg.DagsterRunStatus.FAILURE
    return {event.dagster_event.asset_key.path[0] for event in made}
