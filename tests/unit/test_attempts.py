"""How often work whose run broke is tried again, and after which pauses."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from orchestration.registry.registry_file import Unattended
from orchestration.running.attempts import ATTEMPT, WORK, Next, Tried, Work, decide, request, tried
from orchestration.running.gate import GateRefused, LeftForLater
from orchestration.running.refusals import BuildRefusal, DeliveryRefusal
from orchestration.running.retention import keep_the_newest

RULES = Unattended(attempts=3, first_pause_seconds=60, night="02:00", time_zone="Asia/Shanghai")
WORK_OF_NORTH = Work("north/first", "ingest", "north/first/abc", "first")


@pytest.mark.parametrize(
    ("attempts", "seconds_since", "next_attempt"),
    [(0, None, 1), (1, 59, None), (1, 60, 2), (2, 119, None), (2, 120, 3), (3, 10_000, None)],
)
def test_each_pause_is_twice_as_long_as_the_one_before_until_the_attempts_are_used_up(
    attempts: int, seconds_since: float | None, next_attempt: int | None
) -> None:
    ended = None if seconds_since is None else 1_000_000.0
    now = 1_000_000.0 + (seconds_since or 0)
    found = decide(WORK_OF_NORTH, Tried(attempts, "run", ended, "disk full"), RULES, now)
    assert found.attempt == next_attempt
    assert found.is_used_up == (attempts == 3)


def test_a_night_that_was_missed_is_made_up_for_at_the_next_look() -> None:
    given_up = datetime(2026, 1, 1, 20, 0, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
    before, after = given_up + 5.9 * 3600, given_up + 6.1 * 3600  # 02:00 is six hours later
    tried_in_vain = Tried(3, "run", given_up, "disk full")
    assert decide(WORK_OF_NORTH, tried_in_vain, RULES, before).attempt is None
    assert decide(WORK_OF_NORTH, tried_in_vain, RULES, after) == Next(4)


def test_used_up_attempts_are_told_with_the_cause_and_what_comes_next() -> None:
    found = decide(WORK_OF_NORTH, Tried(3, "run", 0.0, "disk full"), RULES, 10_000.0)
    assert found.told == (
        "north/first: attempt 3 of 3 failed: disk full\nThe attempts are used up. The next one is made at night"
        " (02:00 Asia/Shanghai); mend the cause, or make it now: myositis run"
    )


def test_the_night_tries_once_more_but_not_what_a_gate_refused_or_what_is_at_work() -> None:
    at = {"now": 0.0, "at_night": True}
    assert decide(WORK_OF_NORTH, Tried(3, "run", 0.0, "disk full"), RULES, **at) == Next(4)
    assert decide(WORK_OF_NORTH, Tried(1, "run", 0.0, "no", was_refused=True), RULES, **at).attempt is None
    assert decide(WORK_OF_NORTH, Tried(is_under_way=True), RULES, **at).attempt is None


@dg.op(config_schema={"end": str})
def work(context: dg.OpExecutionContext) -> None:
    end = context.op_config["end"]
    if end == "breaks":
        raise OSError("no space left on device")
    if end == "is refused":
        raise GateRefused(BuildRefusal("the marts do not pass"))
    if end == "arrives still":
        raise LeftForLater(DeliveryRefusal("north", "first", ("still arriving",), is_left=True))


@dg.job(executor_def=dg.in_process_executor)
def ingest() -> None:
    work()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


def run(instance: dg.DagsterInstance, end: str, attempt: int, content: str) -> None:
    ingest.execute_in_process(
        {
            "ops": {"work": {"config": {"end": end}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        instance=instance,
        tags=request(Work("x", "ingest", content), attempt, RULES).tags,
        raise_on_error=False,
    )


def test_the_last_run_of_the_work_tells_how_often_it_was_tried_and_why_it_failed(
    instance: dg.DagsterInstance,
) -> None:
    breaks, is_refused, is_done = (Work("x", "ingest", content) for content in ("a", "b", "c"))
    assert tried(instance, breaks) == Tried()
    run(instance, "breaks", 1, "a")
    run(instance, "breaks", 2, "a")
    found = tried(instance, breaks)
    assert (found.attempts, found.was_refused) == (2, False)
    assert "no space left on device" in found.failure
    run(instance, "is refused", 1, "b")
    assert tried(instance, is_refused).was_refused
    assert tried(instance, is_refused).failure == "the marts do not pass"
    run(instance, "arrives still", 1, "d")  # the same content is there a moment later
    assert not tried(instance, Work("x", "ingest", "d")).was_refused
    run(instance, "succeeds", 1, "c")
    assert tried(instance, is_done).attempts == 0


@pytest.mark.parametrize("end", ["succeeds", "is refused", "breaks"])
def test_content_that_returns_after_other_content_is_tried_from_the_beginning_under_a_new_key(
    instance: dg.DagsterInstance, end: str
) -> None:
    returns = Work("x", "ingest", f"returns after {end}")
    before = tried(instance, returns)
    first = request(returns, 1, RULES, before.after)
    run(instance, end, 1, returns.content)
    run(instance, "is refused", 1, "something faulty")
    found = tried(instance, returns)
    then = decide(returns, found, RULES, 0.0)
    assert then == Next(1)
    assert request(returns, 1, RULES, found.after).run_key != first.run_key


def test_a_request_carries_its_work_and_attempt_and_a_key_of_its_own() -> None:
    asked = request(WORK_OF_NORTH, 2, RULES)
    assert asked.tags == {WORK: "north/first/abc", ATTEMPT: "2 of 3"}
    assert asked.partition_key == "first"
    assert asked.run_key != request(WORK_OF_NORTH, 3, RULES).run_key


def test_old_runs_go_but_the_latest_state_of_every_asset_and_partition_stays(tmp_path: Path) -> None:
    parts = dg.StaticPartitionsDefinition(["a", "b"])

    @dg.asset(partitions_def=parts)
    def delivery() -> None: ...

    @dg.asset
    def once() -> None: ...

    @dg.asset
    def built() -> None: ...

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        dg.materialize([once], instance=instance)
        for partition in ("a", "b"):
            for _ in range(2):
                dg.materialize([delivery], instance=instance, partition_key=partition)
        for _ in range(3):
            dg.materialize([built], instance=instance)
        assert keep_the_newest(instance, keep=1) == 2 + 2
        assert instance.get_latest_materialization_event(dg.AssetKey("once")) is not None
        assert set(instance.get_materialized_partitions(dg.AssetKey("delivery"))) == {"a", "b"}
        assert keep_the_newest(instance, keep=1) == 0
        events = {p.stem for p in (tmp_path / "history" / "runs").glob("*.db")} - {"index"}
        assert events <= {r.run_id for r in instance.get_runs()} | {""}
