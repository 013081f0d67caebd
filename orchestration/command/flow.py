"""The flow as the command runs it: the jobs of `definitions.py`, in this process, on the registry's Dagster
instance.

Belongs here: which jobs to run and what to report afterwards. Does not belong here: the work (the layers),
how the registry stands (`situation.py`), the options (`*_commands.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.command import ahead, console
from orchestration.landing.inventory import Inventory
from orchestration.outward import publication
from orchestration.raw.outstanding import take_in_turn, to_judge_again
from orchestration.raw.reading_place import sweep
from orchestration.raw.withdrawals import told_of_missing
from orchestration.registry.folder import Registry
from orchestration.release.needs_build import needs_build
from orchestration.running import second_process
from orchestration.running.helper import IN_THIS_PROCESS, Helper
from orchestration.running.refusals import DeliveryRefusal, NotPublished, Refusal
from orchestration.situation import Situation, read_situation

if TYPE_CHECKING:
    import dagster as dg

log = logging.getLogger("myositis")

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Done:
    """What became of the jobs that ran."""

    taken: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    released: str | None = None

    def then(self, later: Done) -> Done:
        return Done(
            (*self.taken, *later.taken), (*self.refusals, *later.refusals), later.released or self.released
        )


@dataclass(frozen=True)
class Outcome:
    """What a command did, and how the registry stands afterwards."""

    situation: Situation
    taken: tuple[str, ...] = ()
    refusals: tuple[
        Refusal, ...
    ] = ()  # refusals of this command; for `run` and `status` also those of earlier commands that still stand
    released: str | None = None
    is_unchanged: bool = False


def run_all(registry: Registry, *, in_two_processes: bool = False) -> Outcome:
    """Take, build, release and report what is new. ``in_two_processes`` makes it faster, on two cores."""
    situation = look(registry)
    if not situation.outstanding and not needs_build(registry):
        return Outcome(situation, refusals=(*situation.refusals, *_publish(registry)), is_unchanged=True)
    helping: AbstractContextManager[Helper] = (
        second_process.started(ahead.SECOND, ahead.FIRST)
        if in_two_processes
        else nullcontext(IN_THIS_PROCESS)
    )
    with helping as helper, _instance(registry) as instance:
        done = _ingest(registry, situation.outstanding, instance, helper)
        if is_built := needs_build(registry):
            done = done.then(_build(registry, instance, helper, with_report=True))
    afterwards = read_situation(registry)
    return Outcome(
        afterwards,
        done.taken,
        (*done.refusals, *_standing(afterwards, done.refusals), *_unpublished(registry)),
        done.released,
        is_unchanged=not is_built and not done.taken,
    )


def _publish(registry: Registry) -> list[NotPublished]:
    """Try again what could not be published, if registry.yml names a database."""
    failure = publication.try_outstanding(registry)
    return [NotPublished(failure)] if failure else []


def _unpublished(registry: Registry) -> list[NotPublished]:
    """The current release, if registry.yml names a database that does not hold it."""
    failure = publication.told(registry) if publication.is_outstanding(registry) else None
    return [NotPublished(failure)] if failure else []


def _standing(situation: Situation, told: Iterable[Refusal]) -> list[DeliveryRefusal]:
    """The deliveries that stand refused and have not been reported already."""
    keys = {r.key for r in told if isinstance(r, DeliveryRefusal)}
    return [r for r in situation.refusals if r.key not in keys]


def look(registry: Registry) -> Situation:
    """How the registry stands. Logs how many deliveries are outstanding, and what in landing
    needs a person.
    """
    sweep(registry)
    situation = read_situation(registry)
    for sentence in needing_a_person(situation):
        log.warning("%s", sentence)
    n = len(situation.outstanding)
    log.info(
        "%s",
        f"{console.count(n, 'delivery', 'deliveries')} outstanding" if n else "no delivery is outstanding",
    )
    return situation


def needing_a_person(situation: Situation) -> list[str]:
    """Sentences on folders in landing that nobody reads, and on deliveries in force that are gone from
    landing.
    """
    return [*(stray.sentence() for stray in situation.strays), *told_of_missing(situation.missing)]


def ingest(registry: Registry, situation: Situation) -> Outcome:
    """Take each outstanding delivery into raw, or refuse it. A delivery that waited for another is judged
    again once that one is taken.
    """
    if not situation.outstanding:
        return Outcome(situation)
    with _instance(registry) as instance:
        done = _ingest(registry, situation.outstanding, instance, IN_THIS_PROCESS)
    return Outcome(read_situation(registry), done.taken, done.refusals)


def build(registry: Registry, with_report: bool) -> Outcome:
    """Bring models, release and results up to date, and the report if it is wanted."""
    with _instance(registry) as instance:
        done = _build(registry, instance, IN_THIS_PROCESS, with_report)
    return Outcome(
        read_situation(registry), refusals=(*done.refusals, *_unpublished(registry)), released=done.released
    )


@contextmanager
def _instance(registry: Registry) -> Iterator[dg.DagsterInstance]:
    """The registry's Dagster instance, after its dead runs are settled."""
    import dagster as dg

    from orchestration.running.runs import settle_dead_runs

    with dg.DagsterInstance.get() as instance:
        settle_dead_runs(registry, instance)
        yield instance


def _ingest(
    registry: Registry, outstanding: Iterable[Inventory], instance: dg.DagsterInstance, helper: Helper
) -> Done:
    from orchestration.exports import worker

    worker.start_early()
    from orchestration.definitions import ingestion_definitions

    definitions = ingestion_definitions(registry, helper)
    taken, refusals = take_in_turn(
        outstanding,
        lambda inventory: _take(inventory, definitions, instance),
        lambda: to_judge_again(registry),
    )
    return Done(tuple(taken), tuple(refusals.values()))


def _take(inventory: Inventory, definitions: dg.Definitions, instance: dg.DagsterInstance) -> Refusal | None:
    from orchestration.landing.assets import partitions_name

    partition = partitions_name(inventory.sender)
    if not instance.has_dynamic_partition(partition, inventory.delivery):
        instance.add_dynamic_partitions(partition, [inventory.delivery])
    job = definitions.resolve_job_def(f"ingest_{inventory.sender}")
    name = f"{inventory.sender}/{inventory.delivery}"
    return _execute(job, name, instance=instance, partition_key=inventory.delivery)


def _build(registry: Registry, instance: dg.DagsterInstance, helper: Helper, with_report: bool) -> Done:
    from orchestration.definitions import build_definitions
    from orchestration.release.identity import current_manifest
    from orchestration.running.runs import let_go, write_lock

    job = build_definitions(registry, helper).resolve_job_def("build")
    selection = None
    if not with_report:
        selection = [k for k in job.asset_layer.executable_asset_keys if k.path[0] != "report"]
    try:
        refusal = _execute(job, "build", instance=instance, asset_selection=selection)
    finally:
        let_go(write_lock(registry))  # a build that was refused, or that broke, still holds the lock
    if refusal:
        return Done(refusals=(refusal,))
    manifest = current_manifest(registry)
    return Done(released=manifest["release_id"] if manifest else None)


def _execute(job: dg.JobDefinition, place: str, **given: Any) -> Refusal | None:
    """Run a job in this process. Returns None, or the record of the gate's refusal; any other error is raised
    unchanged.

    Dagster raises the same object that a step raised. ``place`` (which delivery, or the build) is noted on
    it.
    """
    import dagster as dg

    from orchestration.running.gate import GateRefused

    try:
        job.execute_in_process(raise_on_error=True, run_config=QUIET, **given)
    except GateRefused as refused:
        return refused.refusal
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    except Exception as error:
        error.add_note(place)
        raise
    return None


def report_only(registry: Registry, *, is_public: bool = False) -> None:
    from orchestration.report.write import write_public_report, write_report

    if is_public:
        log.info("public report: %s", write_public_report(registry))
    else:
        log.info("report, not for publication: %s", write_report(registry))


def check(registry: Registry, situation: Situation) -> list[str]:
    """What a run would refuse, or stop at, as the registry stands. A run in a private copy judges it; the
    registry stays as it is.
    """
    from orchestration.command import trial
    from orchestration.raw.doubtful_words import notes_of_loaded
    from orchestration.warehouse import dbt
    from orchestration.warehouse.correction_cells import check_corrections, trying_out_corrections

    console.out.print(
        f"{registry.file.name}: {console.in_order(len(registry.mappings), len(registry.studies))}",
        markup=False,
    )
    for note in registry.unit_notes():
        console.out.print(f"note: {note}", markup=False)
    dbt.prepare_manifest()
    faults = [*registry.undecided(), *needing_a_person(situation)]
    with trying_out_corrections(registry) as connection:
        faults += check_corrections(connection, registry)
        words = notes_of_loaded(connection, registry)
    if situation.outstanding or needs_build(registry):
        try:
            found = trial.judge(registry, situation.outstanding)
        except trial.NoRoom as no_room:
            return [*faults, str(no_room)]
        if registry.studies:
            console.out.print("not tried: the statistics of studies, and the report", markup=False)
        for name in found.taken:
            console.out.print(f"{name}: can be taken", markup=False)
        refusals, words = found.refusals, words.and_(found.words)
    else:
        refusals = situation.refusals
    for prefix, sentences in (("reads", words.readings), ("note", words.doubts)):
        for sentence in sentences:
            console.out.print(f"{prefix}: {sentence}", markup=False)
    return [*faults, *_not_said(refusals, faults)]


def _not_said(refusals: Iterable[Refusal], faults: list[str]) -> list[str]:
    """The reasons of the refusals, without those that are among the faults already."""
    said = []
    for refusal in refusals:
        reasons = refusal.reasons if isinstance(refusal, DeliveryRefusal) else (refusal.sentence(),)
        said += [reason for reason in reasons if reason not in faults]
    return said
