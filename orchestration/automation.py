"""When things run: sensors that look at landing and at the registry's files, and each night a pass over what
is outstanding.

Belongs here: sensors, schedules, and the sentences of their ticks. Does not belong here: what runs (the
layers' own modules), how often a failed run is tried again (`running/attempts.py`).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg

from orchestration.database.warehouse_file import GLANCE_SECONDS, WarehouseBusy, glance, holders, told_busy
from orchestration.landing.arrivals import strays
from orchestration.landing.assets import partitions, partitions_name
from orchestration.landing.inventory import Inventory
from orchestration.outward import publication
from orchestration.outward.assets import POSTGRESQL, PUBLISH
from orchestration.raw.ledger import judged_by, was_refused
from orchestration.raw.outstanding import outstanding
from orchestration.raw.reading_place import sweep
from orchestration.registry.folder import Registry, declared_files
from orchestration.release.identity import current_manifest, made_from
from orchestration.release.needs_build import needs_build
from orchestration.resources import is_supervised, registry_folder, registry_now
from orchestration.running import attempts
from orchestration.running.attempts import Work
from orchestration.running.runs import INGEST, settle_dead_runs, who_takes_deliveries
from yaml_files.yaml_file import ConfigurationError

log = logging.getLogger("myositis")

AssetJob = Any  # what dg.define_asset_job returns; dagster does not export its type
Asked = list[dg.RunRequest] | dg.SkipReason
BUILD = "build"
DELIVERIES = "new_deliveries"
CHECKS = "daily_checks"
# a process that reads the warehouse file at each look does not only glance at it
LOOKS_AT_READERS, LOOK_SECONDS = 3, 0.4
EDIT_SECONDS = 5.0  # files that changed within this time may be half edited; the next tick looks again


def ingest_job(sender: str) -> AssetJob:
    return dg.define_asset_job(
        f"{INGEST}{sender}",
        selection=dg.AssetSelection.assets(["landing", sender], ["raw", sender]),
        partitions_def=partitions(sender),
        description=f"Take one delivery of {sender} into raw, or refuse it whole.",
    )


def build_job(registry: Registry) -> AssetJob:
    ingested = [[layer, sender] for sender in registry.mappings for layer in ("landing", "raw")]
    return dg.define_asset_job(
        BUILD,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*ingested),
        description="From raw to report: models, gate, release, results, report.",
    )


def publish_job() -> AssetJob:
    return dg.define_asset_job(
        PUBLISH,
        selection=dg.AssetSelection.assets(POSTGRESQL),
        description="The current release into PostgreSQL once more, because its publication failed.",
    )


def checks_job(checks: list[dg.AssetCheckKey]) -> AssetJob:
    return dg.define_asset_job(
        CHECKS,
        selection=dg.AssetSelection.checks(*checks),
        description="The checks whose answer the day alone may change: is a delivery overdue?",
    )


def shape(registry: Registry) -> tuple[object, ...]:
    """What the Definitions are built from. When it changes, they are built anew."""
    own = registry.file.unattended
    senders = [(s, m.name, m.expected_every is not None) for s, m in registry.mappings.items()]
    return (*senders, own.night, own.time_zone, own.look_every_seconds, registry.file.publish is not None)


@dataclass
class Look:
    """The runs that a tick asks for, and the sentences that say what it saw."""

    asked: list[dg.RunRequest] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    is_final: bool = False  # the answer stays the same until a file changes, however much time passes

    def answer(self) -> Asked:
        return self.asked or dg.SkipReason("\n".join(self.told))


class CannotBeUsed(Exception):
    """The registry's files are faulty; the message says where. Dagster shows a tick that raises in red."""


class NotNow(Exception):
    """Nothing can be launched now; the message says why. The next tick looks again."""


def deliveries_to_take(registry: Registry, instance: dg.DagsterInstance, at_night: bool = False) -> Look:
    """A run request for every outstanding delivery that is to be tried now; a new partition for a new
    delivery. What killed readers left is removed first.
    """
    sweep(registry)
    look = Look()
    rules = registry.file.unattended
    for inventory, work in _ingestions(registry):
        tried = attempts.tried(instance, work)
        then = attempts.decide(work, tried, rules, time.time(), at_night)
        if then.attempt is None:
            look.told.append(then.told)
            if then.is_used_up and tried.run_id:
                attempts.tell_the_run(instance, tried.run_id, then.told)
            continue
        definition = partitions_name(inventory.sender)
        if not instance.has_dynamic_partition(definition, inventory.delivery):
            instance.add_dynamic_partitions(definition, [inventory.delivery])
        look.asked.append(attempts.request(work, then.attempt, rules, tried.after))
    if look.asked:
        _refuse_if_held(registry)
    found = list(strays(registry))
    look.is_final = not look.told and all(stray.delivery is None for stray in found)
    look.told = [*(look.told or ["no delivery is outstanding"]), *(stray.sentence() for stray in found)]
    return look


def first_delivery_to_take(registry: Registry, instance: dg.DagsterInstance, at_night: bool = False) -> Look:
    """A run request for one outstanding delivery. The process of that run also takes the other deliveries and
    makes the release, because each further process would spend ten seconds on the same imports.
    """
    if process := who_takes_deliveries(registry, instance):
        return Look(told=[f"process {process} takes what is outstanding, one delivery after the other"])
    if any(attempts.is_under_way(instance, f"{INGEST}{sender}") for sender in registry.mappings):
        return Look(told=["a run that takes a delivery is queued or under way; it takes the others too"])
    look = deliveries_to_take(registry, instance, at_night)
    look.asked = look.asked[:1]
    return look


def _ingestions(registry: Registry) -> Iterator[tuple[Inventory, Work]]:
    """Every outstanding delivery with its work. The work gets another identity once the reason of an earlier
    refusal may have changed.
    """
    found = outstanding(registry, GLANCE_SECONDS)
    with glance(registry.warehouse, GLANCE_SECONDS) as connection:
        again = {
            i.load_id: judged_by(connection, i.sender, i.load_id, i.records_digest)
            for i in found
            if was_refused(connection, i)
        }
    for i in found:
        content = "/".join(filter(None, [i.sender, i.delivery, i.load_id, again.get(i.load_id)]))
        yield i, Work(f"{i.sender}/{i.delivery}", f"{INGEST}{i.sender}", content, i.delivery)


def release_to_make_apart(registry: Registry, instance: dg.DagsterInstance, at_night: bool = False) -> Look:
    """A run request for the build, unless the process that takes deliveries will make the release."""
    if process := who_takes_deliveries(registry, instance):
        return Look(told=[f"process {process} takes what is outstanding, and then makes the release"])
    return release_to_make(registry, instance, at_night)


def release_to_make(registry: Registry, instance: dg.DagsterInstance, at_night: bool = False) -> Look:
    """A run request for the build, if a release is outstanding and no delivery is being taken."""
    for sender in registry.mappings:
        if attempts.is_under_way(instance, f"{INGEST}{sender}"):
            return Look(told=[f"a delivery of {sender} is being taken; the build follows"])
    if not needs_build(registry, GLANCE_SECONDS):
        return Look(told=["the release is up to date"], is_final=True)
    work = release_work(registry)
    tried = attempts.tried(instance, work)
    then = attempts.decide(work, tried, registry.file.unattended, time.time(), at_night)
    if then.attempt is None:
        if then.is_used_up and tried.run_id:
            attempts.tell_the_run(instance, tried.run_id, then.told)
        return Look(told=[then.told])
    _refuse_if_held(registry)
    return Look([attempts.request(work, then.attempt, registry.file.unattended, tried.after)])


def release_work(registry: Registry) -> Work:
    """The release that the registry's present state asks for."""
    from orchestration.warehouse.build import models_from

    with glance(registry.warehouse, GLANCE_SECONDS) as connection:
        return Work("the release", BUILD, made_from(registry, models_from(registry, connection)))


def release_to_publish(registry: Registry, instance: dg.DagsterInstance, at_night: bool = False) -> Look:
    """A run request for the publication of the current release, if it is outstanding and nothing is being
    built.
    """
    record = publication.read_record(registry)
    if record is None or not publication.is_outstanding(registry):
        return Look(told=["the release is published"], is_final=True)
    if who_takes_deliveries(registry, instance) or attempts.is_under_way(instance, BUILD):
        return Look(told=["a build is under way; it publishes its release"])
    manifest = current_manifest(registry)
    work = Work("the publication", PUBLISH, f"{record.to} {manifest['release_id'] if manifest else ''}")
    then = attempts.decide(
        work, attempts.tried(instance, work), registry.file.unattended, time.time(), at_night
    )
    if then.attempt is None:
        return Look(told=[then.told])
    return Look([attempts.request(work, then.attempt, registry.file.unattended)])


def told_in_vain(registry: Registry, instance: dg.DagsterInstance) -> list[str]:
    """A sentence for each outstanding work that was tried in vain: why, and when it is tried again."""
    works = [work for _, work in _ingestions(registry)]
    if needs_build(registry, GLANCE_SECONDS):
        works.append(release_work(registry))
    told = []
    for work in works:
        tried = attempts.tried(instance, work)
        if tried.attempts:
            told.append(attempts.decide(work, tried, registry.file.unattended, time.time()).told)
    return [sentence for sentence in told if sentence]


def _refuse_if_held(registry: Registry) -> None:
    """Raise NotNow while a process reads the warehouse file: a run could not write, and would use up an
    attempt.

    A process that closes the file within a moment only looked, as `status` and a tick do.
    """
    staying = {holder.pid for holder in holders(registry.warehouse) if not holder.writes}
    for _ in range(LOOKS_AT_READERS):
        if not staying:
            return
        time.sleep(LOOK_SECONDS)
        staying &= {holder.pid for holder in holders(registry.warehouse) if not holder.writes}
    if staying:
        raise NotNow(told_busy(registry.warehouse))


Seek = Callable[[Registry, dg.DagsterInstance, bool], Look]
_told_before: dict[str, str] = {}  # by tick
_nothing_to_do: dict[str, tuple[object, dg.SkipReason]] = {}  # by tick, with the state of the files then


def looked(
    tick: str,
    context: dg.SensorEvaluationContext | dg.RunStatusSensorContext | dg.ScheduleEvaluationContext,
    built_from: tuple[object, ...],
    seek: Seek,
    at_night: bool = False,
) -> Asked:
    """One tick: read the registry afresh, then decide what is to be launched, or say why nothing is.

    While nothing is to be done and no file changes, a tick only looks at the files. Its sentence is logged
    only when it changes, so that the log of a quiet month is short.
    """
    seen = _state_of_files()
    if tick in _nothing_to_do and _nothing_to_do[tick][0] == seen and not at_night:
        return _nothing_to_do[tick][1]
    _nothing_to_do.pop(tick, None)
    try:
        registry = registry_now()
        instance = context.instance
        settle_dead_runs(registry, instance)
        if shape(registry) != built_from:
            answer: Asked = dg.SkipReason(_ask_for_reload())
        elif (changed := _changed_ago(registry)) < EDIT_SECONDS:
            answer = dg.SkipReason(
                f"a file of the registry changed {changed:.0f} s ago; waiting until nobody writes"
            )
        else:
            look = seek(registry, instance, at_night)
            answer = look.answer()
            if look.is_final and isinstance(answer, dg.SkipReason):
                _nothing_to_do[tick] = (seen, answer)
    except ConfigurationError as error:
        faults = "\n".join(f"  {fault}" for fault in error.faults)
        sentence = f"{error.what} cannot be used as it is written, and nothing is launched:\n{faults}"
        if tick == DELIVERIES:  # one sensor shows the fault in red; the others only say it
            raise CannotBeUsed(sentence) from None
        answer = dg.SkipReason(sentence)
    except (NotNow, WarehouseBusy) as error:
        answer = dg.SkipReason(f"nothing is launched now; the next tick looks again: {error}")
    told = answer.skip_message or "" if isinstance(answer, dg.SkipReason) else ""
    if told != _told_before.get(tick, "") and not isinstance(answer, list):
        log.info("%s: %s", tick, told)
    _told_before[tick] = told
    return answer


def _state_of_files() -> tuple[object, ...]:
    """A value that changes when somebody writes to landing, the registry's files, the warehouse or a release,
    and when a new day begins.
    """
    folder = registry_folder()
    places = [folder / "warehouse" / "warehouse.duckdb", folder / "release", folder / "reports" / "current"]
    marks = []
    for path in (*(folder / "landing").rglob("*"), *places, *(folder / ".dagster" / "alive").glob("*")):
        with suppress(OSError):  # gone since it was listed, or not made yet
            found = path.stat()
            marks.append((str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return date.today(), declared_files(folder), marks


def _changed_ago(registry: Registry) -> float:
    """How many seconds ago a declared file of the registry was written last."""
    newest = max((mark[-1] for mark in declared_files(registry.folder).values()), default=0)
    return max(0.0, time.time() - newest / 1e9)


def speak() -> None:
    """In a code server: print the sentences of the ticks where the services print theirs."""
    if is_supervised() and not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False


def _ask_for_reload() -> str:
    """End this process; the supervisor starts it again, with Definitions of the present registry."""
    if not is_supervised():
        return 'the registry\'s hospitals or times have changed; press "Reload definitions" to see them run'
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()  # this tick is answered first
    return "the registry's hospitals or times have changed; the definitions are being loaded again"


def automation(
    registry: Registry, ingest: list[AssetJob], build: AssetJob, checks: AssetJob | None = None
) -> tuple[list[dg.SensorDefinition], list[dg.ScheduleDefinition]]:
    """(sensors, schedules)."""
    own, built_from = registry.file.unattended, shape(registry)
    at_night, after_it = _cron(own.night), _cron(own.night, hours=1)

    @dg.sensor(
        name=DELIVERIES,
        jobs=ingest,
        minimum_interval_seconds=own.look_every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sees a delivery that is complete and launches its ingestion; a run that broke is "
        "tried again.",
    )
    def new_deliveries(context: dg.SensorEvaluationContext) -> Asked:
        return looked(DELIVERIES, context, built_from, first_delivery_to_take)

    @dg.sensor(
        name="outstanding_release",
        job=build,
        minimum_interval_seconds=2 * own.look_every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches the build when a study, a record or a waiver was written, or when a build "
        "broke.",
    )
    def outstanding_release(context: dg.SensorEvaluationContext) -> Asked:
        return looked("outstanding_release", context, built_from, release_to_make_apart)

    @dg.run_status_sensor(
        name="build_after_ingestion",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=ingest,
        request_job=build,
        minimum_interval_seconds=own.look_every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After a delivery is taken, brings models, release and report up to date, if no build "
        "that will hold it is queued.",
    )
    def build_after_ingestion(context: dg.RunStatusSensorContext) -> Asked:
        return looked("build_after_ingestion", context, built_from, release_to_make_apart)

    def nightly(sender: str, job: AssetJob) -> dg.ScheduleDefinition:
        @dg.schedule(
            name=f"nightly_{sender}",
            job=job,
            cron_schedule=at_night,
            execution_timezone=own.time_zone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Tries once more what of {sender} is outstanding. A night that was missed is made "
            "up for once.",
        )
        def schedule(context: dg.ScheduleEvaluationContext) -> Asked:
            def of_sender(registry: Registry, instance: dg.DagsterInstance, at_night: bool) -> Look:
                look = first_delivery_to_take(registry, instance, at_night)
                if any(asked.job_name != f"{INGEST}{sender}" for asked in look.asked):
                    return Look(
                        told=["the run that takes another sender's delivery takes what is outstanding"]
                    )
                return look

            return looked(f"nightly_{sender}", context, built_from, of_sender, at_night=True)

        return schedule

    @dg.schedule(
        name="build_at_night",
        job=build,
        cron_schedule=after_it,
        execution_timezone=own.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Makes the release that is outstanding: a build was interrupted, a record or a study "
        "was written, a waiver ended.",
    )
    def build_at_night(context: dg.ScheduleEvaluationContext) -> Asked:
        return looked("build_at_night", context, built_from, release_to_make_apart, at_night=True)

    @dg.sensor(
        name="outstanding_publication",
        job_name=PUBLISH,
        minimum_interval_seconds=2 * own.look_every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Publishes the release into PostgreSQL again when that failed.",
    )
    def outstanding_publication(context: dg.SensorEvaluationContext) -> Asked:
        return looked("outstanding_publication", context, built_from, release_to_publish)

    schedules = [*(nightly(s, j) for s, j in zip(registry.mappings, ingest)), build_at_night]
    if checks is not None:
        schedules.append(
            dg.ScheduleDefinition(
                name="checks_of_the_day",
                job=checks,
                cron_schedule=at_night,
                execution_timezone=own.time_zone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Asks every day whether a delivery is overdue.",
            )
        )
    publishing = [outstanding_publication] if registry.file.publish else []
    return [new_deliveries, outstanding_release, build_after_ingestion, *publishing], schedules


def _cron(night: str, hours: int = 0) -> str:
    hour, minute = (int(part) for part in night.split(":"))
    return f"{minute} {(hour + hours) % 24} * * *"


def _waiting_sensor() -> dg.SensorDefinition:
    """In place of all others while the registry's files are faulty: has the definitions loaded once they are
    mended.
    """

    @dg.sensor(
        name=DELIVERIES,
        asset_selection=dg.AssetSelection.keys(FAULTY),
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="The registry's files cannot be used as they are written; waits until they are mended.",
    )
    def new_deliveries(context: dg.SensorEvaluationContext) -> Asked:
        return looked(DELIVERIES, context, (), lambda *_: Look())

    return new_deliveries


FAULTY = dg.AssetKey(["registry", "cannot_be_used"])


def faulty_registry(error: ConfigurationError) -> dg.Definitions:
    """What Dagster shows while the registry's files are faulty: the faults, and nothing that could run."""
    told = f"{error.what} cannot be used as it is written:\n\n" + "\n".join(
        f"- {fault}" for fault in error.faults
    )
    return dg.Definitions(
        assets=[dg.AssetSpec(FAULTY, group_name="registry", description=told)],
        sensors=[_waiting_sensor()],
    )
