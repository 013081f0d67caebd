"""Whether a build is due after a delivery was taken: asked of what is queued, and of what is new."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from orchestration.database.warehouse_file import WarehouseBusy
from orchestration.registry.folder import Registry
from orchestration.release import needs_build as asked
from orchestration.release.needs_build import reason_not_to_build
from tests.unit.test_loading import make_registry

TAKEN_AT = 1_000.0


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return make_registry(tmp_path)


def with_a_build(status: dg.DagsterRunStatus, started: float | None = None) -> dg.DagsterInstance:
    @dg.job(name="build")
    def build() -> None: ...

    instance = dg.DagsterInstance.ephemeral()
    run = instance.create_run_for_job(build, status=status)
    if started is not None:
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "build")
        instance.handle_new_event(
            dg.EventLogEntry(
                error_info=None,
                level="info",
                user_message="",
                run_id=run.run_id,
                timestamp=started,
                dagster_event=event,
            )
        )
    return instance


@pytest.mark.parametrize(
    ("status", "started", "is_due"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, None, False),
        (dg.DagsterRunStatus.STARTING, None, False),
        (dg.DagsterRunStatus.NOT_STARTED, TAKEN_AT + 1, False),
        # it may have read before the delivery was taken
        (dg.DagsterRunStatus.NOT_STARTED, TAKEN_AT - 1, True),
        (dg.DagsterRunStatus.SUCCESS, None, True),
        (dg.DagsterRunStatus.FAILURE, None, True),
    ],
)
def test_a_build_is_due_unless_one_is_queued_or_began_after_the_delivery_was_taken(
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    status: dg.DagsterRunStatus,
    started: float | None,
    is_due: bool,
) -> None:
    monkeypatch.setattr(asked, "needs_build", lambda *_: True)
    reason = reason_not_to_build(registry, with_a_build(status, started), TAKEN_AT)
    assert (reason is None) == is_due
    assert is_due or "queued or under way" in str(reason)


def test_no_build_is_due_when_nothing_is_new(registry: Registry) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert reason_not_to_build(registry, instance, TAKEN_AT) == "the release is up to date"


def test_a_build_is_due_when_a_busy_warehouse_cannot_be_asked(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> bool:
        raise WarehouseBusy("busy")

    monkeypatch.setattr(asked, "needs_build", busy)
    with dg.DagsterInstance.ephemeral() as instance:
        assert reason_not_to_build(registry, instance, TAKEN_AT) is None
