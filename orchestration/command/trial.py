"""What `myositis run` would say of the registry as it stands, found out in a private copy of the warehouse.

Deliveries are taken and models built in the copy by the code that takes and builds them in earnest, so that
`myositis check` cannot judge otherwise than `run`. Belongs here: making the copy, and removing it. Does not
belong here: judging (the layers), printing (`flow.py`).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import HASHES, Inventory
from orchestration.processes import passing_folder
from orchestration.raw.doubtful_words import WordNotes, notes_of_deliveries
from orchestration.raw.ingestion import ingest
from orchestration.raw.outstanding import take_in_turn, to_judge_again
from orchestration.registry.folder import Registry
from orchestration.release.needs_build import needs_build
from orchestration.resources import working_on
from orchestration.running.refusals import BuildRefusal, DeliveryRefusal, Refusal

log = logging.getLogger("myositis")

COPY = "checking-"  # beside the warehouse, so that it needs no other permission and no other disk
TIMES_THE_WAREHOUSE = 3  # of free disk: the copy, and what is built in it


@dataclass(frozen=True)
class Trial:
    """What a run would take, what it would refuse, and what it would note on words of two meanings."""

    taken: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    words: WordNotes = field(default_factory=WordNotes)


class NoRoom(Exception):
    """The disk has no room for a copy of the warehouse, so that nothing was judged."""


def judge(registry: Registry, outstanding: tuple[Inventory, ...]) -> Trial:
    """Take the outstanding deliveries and build the models, in a copy. The registry stays as it is."""
    log.info("judging in a private copy of the warehouse")
    with _copy(registry) as copied, working_on(copied), _quietly():
        taken, refusals = take_in_turn(
            outstanding,
            lambda found: ingest(copied, found.sender, found.delivery).refusal,
            lambda: to_judge_again(copied),
        )
        with warehouse(copied.warehouse) as connection:
            mine = {(i.sender, i.delivery) for i in outstanding}
            words = notes_of_deliveries(connection, copied, mine)
        told = [*refusals.values()]
        told += _build(copied) if needs_build(copied) else []
        told += _standing(copied, told)
    refused = {r.key for r in told if isinstance(r, DeliveryRefusal)}
    kept = tuple(name for name in taken if tuple(name.split("/", 1)) not in refused)
    return Trial(kept, tuple(told), words)


@contextmanager
def _quietly() -> Iterator[None]:
    """Log nothing of what is taken or refused in the copy, because it did not happen in the registry."""
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _build(copied: Registry) -> list[Refusal]:
    """Why the build, or the release made from it, would be refused."""
    from expectations import gate
    from orchestration.release.candidate import ReleaseRefused
    from orchestration.running.checks import check_marts
    from orchestration.warehouse.build import build, failure_sentence
    from orchestration.warehouse.correction_cells import CorrectionsRefused

    try:
        results, _ = build(copied)
    except CorrectionsRefused as refusal:
        return [BuildRefusal(reason) for reason in refusal.reasons]
    if failed := [r for r in results if not r.passed]:
        return [BuildRefusal(failure_sentence(failed))]
    unsound = gate(check_marts(copied))
    return [BuildRefusal(str(ReleaseRefused([r.sentence() for r in unsound])))] if unsound else []


def _standing(copied: Registry, told: list[Refusal]) -> list[DeliveryRefusal]:
    """Deliveries that stand refused afterwards: those that the build refused, and older ones."""
    from orchestration.situation import read_situation

    keys = {r.key for r in told if isinstance(r, DeliveryRefusal)}
    return [r for r in read_situation(copied).refusals if r.key not in keys]


@contextmanager
def _copy(registry: Registry) -> Iterator[Registry]:
    """The registry with a warehouse of its own, which only this user can read and which goes afterwards."""
    from orchestration.running.runs import hold, let_go, wait_for_writers, write_lock

    at = registry.warehouse.parent
    at.mkdir(parents=True, exist_ok=True)
    lock = registry.warehouse.with_name(".checking.lock")
    if is_alone := hold(lock):
        for left in at.glob(f"{COPY}*"):  # of a check that was killed
            shutil.rmtree(left, ignore_errors=True)
    _make_sure_of_room(registry)
    try:
        with passing_folder(COPY, at) as folder:
            wait_for_writers(registry)
            try:
                for name in (registry.warehouse.name, HASHES):
                    if (at / name).exists():
                        shutil.copy(at / name, folder / name)
            finally:
                let_go(write_lock(registry))
            yield _with_key(replace(registry, warehouse_folder=folder))
    finally:
        if is_alone:
            let_go(lock)


def _make_sure_of_room(registry: Registry) -> None:
    if not registry.warehouse.exists():
        return
    needed = TIMES_THE_WAREHOUSE * registry.warehouse.stat().st_size
    free = shutil.disk_usage(registry.warehouse.parent).free
    if free < needed:
        raise NoRoom(
            f"{registry.warehouse.parent}: no delivery was judged: the check builds in a copy of the "
            f"warehouse, which needs {needed / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free; make "
            "room and check again, or take the deliveries with myositis run, which judges them too"
        )


def _with_key(copied: Registry) -> Registry:
    """A registry that has named no patient yet has no key. The copy then gets one of its own."""
    with warehouse(copied.warehouse) as connection:
        is_named = connection.execute("select count(*) > 0 from raw.pseudonym_mark").fetchall()[0][0]
    if is_named or copied.pseudonym_key_file.exists():
        return copied
    own = str(copied.warehouse.with_name("pseudonym.key"))
    return replace(copied, file=copied.file.model_copy(update={"pseudonym_key": own}))
