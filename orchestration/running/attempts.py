"""How often a piece of work was tried, and when it may be tried again.

A piece of work is a load of a delivery, or the release that the registry's present state asks for. A run
that is launched for it carries it as a tag, with the number of the attempt. A run whose process died, or that
broke because a disk was full or the warehouse was held, leaves its work outstanding. The work is tried again
after a pause, each pause twice as long as the one before, until the attempts are used up. The night tries
once more, whatever came before.

Does not belong here: what is outstanding (`raw/outstanding.py`, `release/needs_build.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from orchestration.registry.registry_file import Unattended
from orchestration.running.gate import GateRefused

WORK, ATTEMPT, USED_UP = "myositis/work", "myositis/attempt", "myositis/used_up"
PARTITION = "dagster/partition"
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
MOST_TOLD = 300  # characters of what a run died of


@dataclass(frozen=True)
class Work:
    """A piece of work. ``content`` identifies it, and changes when something else is to be done."""

    name: str  # its name for people: north/2024-06, or the release
    job: str
    content: str
    partition: str | None = None


@dataclass(frozen=True)
class Tried:
    """The attempts at a piece of work so far."""

    attempts: int = 0
    run_id: str | None = None  # of the last attempt
    ended: float | None = None  # when it ended
    failure: str = ""  # what it failed of
    was_refused: bool = False  # a gate refused: the same content would be refused again
    is_under_way: bool = False
    after: str = ""  # the last run of the job (for the partition), whatever it did


@dataclass(frozen=True)
class Next:
    """What is to happen now: attempt number ``attempt``, or nothing, because of what is told."""

    attempt: int | None
    told: str = ""
    is_used_up: bool = False


def decide(work: Work, tried: Tried, rules: Unattended, now: float, at_night: bool = False) -> Next:
    """Whether the work is tried now."""
    if tried.is_under_way:
        return Next(None, f"{work.name}: a run is queued or under way")
    if tried.was_refused:
        return Next(
            None,
            f"{work.name}: refused, and nothing that the refusal depends on has changed: {tried.failure}",
        )
    if at_night or not tried.attempts or tried.ended is None:
        return Next(tried.attempts + 1)
    if tried.attempts >= rules.attempts and tried.ended < rules.last_night(now):
        return Next(tried.attempts + 1)  # the night's own tick came at a bad moment, or nobody was up
    so_far = f"{work.name}: attempt {tried.attempts} of {rules.attempts} failed: {tried.failure}"
    if tried.attempts >= rules.attempts:
        return Next(
            None,
            f"{so_far}\nThe attempts are used up. The next one is made at night ({rules.told_night});"
            " mend the cause, or make it now: myositis run",
            is_used_up=True,
        )
    due = tried.ended + rules.first_pause_seconds * 2 ** (tried.attempts - 1)
    if now < due:
        at = datetime.fromtimestamp(due, UTC).astimezone().strftime("%H:%M:%S")
        return Next(None, f"{so_far}\nThe next attempt is made at {at}")
    return Next(tried.attempts + 1)


def tried(instance: dg.DagsterInstance, work: Work) -> Tried:
    """The attempts at the work so far, as Dagster's store has them.

    Only those that nothing else came after: content that returns, or an edit that is taken back, starts from
    the beginning.
    """
    if is_under_way(instance, work.job, work.partition):
        return Tried(is_under_way=True)
    of_the_job = dg.RunsFilter(job_name=work.job, tags=_of(work.partition))
    last = instance.get_run_records(of_the_job, limit=1)
    if not last:
        return Tried()
    run, after = last[0].dagster_run, last[0].dagster_run.run_id
    if run.tags.get(WORK) != work.content or run.status is dg.DagsterRunStatus.SUCCESS:
        return Tried(after=after)
    failure = _failure(instance, run)
    ended_at = last[0].end_time or last[0].update_timestamp.timestamp()
    attempts = int(run.tags[ATTEMPT].split()[0])
    return Tried(attempts, run.run_id, ended_at, failure.told, failure.was_refused, after=after)


def is_under_way(instance: dg.DagsterInstance, job: str, partition: str | None = None) -> bool:
    """Whether a run of the job (for the partition) is queued or at work."""
    under_way = dg.RunsFilter(job_name=job, statuses=UNDER_WAY, tags=_of(partition))
    return bool(instance.get_runs(under_way, limit=1))


def _of(partition: str | None) -> dict[str, str]:
    return {PARTITION: partition} if partition else {}


def request(work: Work, attempt: int, rules: Unattended, after: str = "") -> dg.RunRequest:
    """The request for a run. Dagster launches nothing twice under one key; ``after`` (of `Tried`) gives
    content that is there once more another key than it had before.
    """
    return dg.RunRequest(
        run_key=f"{work.job}/{work.content}/{attempt}/{after}",
        job_name=work.job,
        partition_key=work.partition,
        tags={WORK: work.content, ATTEMPT: f"{attempt} of {rules.attempts}"},
    )


def tell_the_run(instance: dg.DagsterInstance, run_id: str, told: str) -> None:
    """Say once, among the events of the last attempt, that the attempts are used up."""
    run = instance.get_run_by_id(run_id)
    if run is not None and USED_UP not in run.tags:
        instance.report_engine_event(told, run)
        instance.add_run_tags(run_id, {USED_UP: "yes"})


@dataclass(frozen=True)
class _Failure:
    """Why a run failed, and whether a gate refused."""

    told: str
    was_refused: bool = False


def _failure(instance: dg.DagsterInstance, run: dg.DagsterRun) -> _Failure:
    kinds = {
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterEventType.RUN_CANCELED,
    }
    told = f"the run ended as {run.status.value.lower()}"
    for entry in instance.all_logs(run.run_id, of_type=kinds):
        event = entry.get_dagster_event()
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            described = data.user_failure_data.description if data.user_failure_data else None
            error = data.error.cause if data.error and data.error.cause else data.error
            return _Failure(
                (described or (error.message if error else None) or told).strip()[:MOST_TOLD],
                bool(data.error and data.error.cls_name == GateRefused.__name__),
            )
        told = event.message or told
    return _Failure(told.strip()[:MOST_TOLD])
