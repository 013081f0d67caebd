"""The flow as the command runs it: the jobs of `definitions.py`, in this process, against the registry's Dagster instance.

Belongs here: which jobs to run and what to tell afterwards. Does not belong here: the work (the layers), the options (`cli.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from textwrap import indent
from typing import TYPE_CHECKING, Any

from orchestration.command import console
from orchestration.landing.arrivals import strays
from orchestration.landing.inventory import Inventory
from orchestration.raw.outstanding import outstanding, to_judge_again
from orchestration.registry.folder import Registry
from orchestration.running import second_process

if TYPE_CHECKING:
    import dagster as dg
from orchestration.release.needs_build import needs_build

log = logging.getLogger("myositis")


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class RunFailed(Exception):
    """A step broke, which is not the same as a gate that refused."""


@dataclass
class Outcome:
    """What a command did."""

    taken: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    released: str | None = None
    unchanged: bool = False


def run_all(registry: Registry, *, in_two_processes: bool = False) -> Outcome:
    """Take, build, release and report what is new; with ``in_two_processes`` sooner, on two cores."""
    found = look_for_deliveries(registry)
    if not found and not needs_build(registry):
        return Outcome(unchanged=True, refusals=standing_refusals(registry))
    with second_process.started() if in_two_processes else nullcontext(), _instance(registry) as instance:
        outcome = _ingest(registry, found, instance)
        if not needs_build(registry):
            outcome.unchanged = not outcome.taken
            outcome.refusals = outcome.refusals or standing_refusals(registry)
            return outcome
        built = _build(registry, instance, with_report=True)
    built.taken = outcome.taken
    told = [*outcome.refusals, *built.refusals]
    built.refusals = [*told, *standing_refusals(registry, told)]
    return built


def look_for_deliveries(registry: Registry) -> list[Inventory]:
    """Outstanding deliveries; says how many there are, and what lies in landing that nobody reads."""
    for sentence in (*strays(registry), *_missing(registry)):
        log.warning("%s", sentence)
    found = outstanding(registry)
    log.info("%s", f"{console.count(len(found), 'delivery', 'deliveries')} outstanding" if found else "no delivery is outstanding")
    return found


def ingest(registry: Registry, found: list[Inventory]) -> Outcome:
    """Take each delivery into raw, or refuse it; what was refused is judged again when something that it waited for was taken."""
    if not found:
        return Outcome()
    with _instance(registry) as instance:
        return _ingest(registry, found, instance)


@contextmanager
def _instance(registry: Registry) -> Iterator[dg.DagsterInstance]:
    """The registry's Dagster instance, in which no run is left that died."""
    import dagster as dg

    from orchestration.running.runs import settle_dead_runs

    with dg.DagsterInstance.get() as instance:
        settle_dead_runs(registry, instance)
        yield instance


def _ingest(registry: Registry, found: list[Inventory], instance: dg.DagsterInstance) -> Outcome:
    from orchestration.definitions import ingestion_definitions
    from orchestration.landing.assets import partitions_name

    definitions = ingestion_definitions(registry)
    outcome = Outcome()
    refusals: dict[str, str] = {}
    while found:
        taken = len(outcome.taken)
        for inventory in found:
            name = f"{inventory.sender}/{inventory.delivery}"
            definition = partitions_name(inventory.sender)
            if not instance.has_dynamic_partition(definition, inventory.delivery):
                instance.add_dynamic_partitions(definition, [inventory.delivery])
            job = definitions.resolve_job_def(f"ingest_{inventory.sender}")
            result = job.execute_in_process(
                instance=instance, partition_key=inventory.delivery, raise_on_error=False, run_config=QUIET
            )
            refusals.pop(name, None)
            if result.success:
                outcome.taken.append(name)
            else:
                refusals[name] = _why(result, name)
        found = to_judge_again(registry) if len(outcome.taken) > taken else []
    outcome.refusals = list(refusals.values())
    return outcome


def build(registry: Registry, with_report: bool) -> Outcome:
    """Bring models, release and results up to date, and the report if it is wanted."""
    with _instance(registry) as instance:
        return _build(registry, instance, with_report)


def _build(registry: Registry, instance: dg.DagsterInstance, with_report: bool) -> Outcome:
    from orchestration.definitions import build_definitions
    from orchestration.release.identity import current_manifest
    from orchestration.running.runs import let_go, write_lock

    outcome = Outcome()
    job = build_definitions(registry).resolve_job_def("build")
    selection = None
    if not with_report:
        selection = [k for k in job.asset_layer.executable_asset_keys if k.path[0] != "report"]
    result = job.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET, asset_selection=selection)
    let_go(write_lock(registry))  # a build that its gate refused holds it still
    if result.success:
        manifest = current_manifest(registry)
        assert manifest is not None  # the build has published it
        outcome.released = manifest["release_id"]
    else:
        outcome.refusals.append(_why(result, "build"))
    return outcome


def report_only(registry: Registry) -> None:
    from orchestration.report.write import write_report

    log.info("report: %s", write_report(registry))


def check(registry: Registry) -> list[str]:
    """Faults of outstanding deliveries against their mappings, without loading them."""
    from orchestration.database.warehouse_file import warehouse
    from orchestration.raw.loading import find_faults
    from orchestration.warehouse import dbt
    from orchestration.warehouse.correction_cells import check_corrections

    console.out.print(f"{registry.file.name}: {console.in_order(len(registry.mappings), len(registry.studies))}", markup=False)
    for note in registry.unit_notes():
        console.out.print(f"note: {note}", markup=False)
    dbt.prepare_manifest()
    faults = [*registry.undecided(), *strays(registry), *_missing(registry)]
    found = outstanding(registry)
    with warehouse(registry.warehouse) as connection:
        faults += check_corrections(connection, registry)
        for inventory in found:
            own = find_faults(connection, registry, inventory)
            faults += [fault for fault in own if fault not in faults]
            if not own:
                console.out.print(f"{inventory.sender}/{inventory.delivery}: can be taken", markup=False)
    return faults


def standing_refusals(registry: Registry, told: Sequence[str] = ()) -> list[str]:
    """Deliveries whose latest content was refused and has not been replaced; not those that were told in this run."""
    return [
        f"{sender}/{delivery} stands refused:\n{indent(reason, '  ')}" for sender, delivery, state, *_, reason in _deliveries(registry)
        if state == "refused" and not any(t.startswith(f"{sender}/{delivery} refused:") for t in told)
    ]


def _deliveries(registry: Registry) -> list[tuple[Any, ...]]:
    """(sender, delivery, state, files, rows in, accepted, rejected, reason) of each delivery, from the ledger and, once built, quality."""
    from orchestration.database.warehouse_file import warehouse

    with warehouse(registry.warehouse) as connection:
        built = connection.execute(
            "select count(*) from information_schema.tables where table_schema = 'quality' and table_name = 'delivery'"
        ).fetchall()[0][0]
        if built:
            return connection.execute(
                "select sender_id, delivery_id, state, files, rows_in, if(is_judged, rows_accepted, null),"
                " if(is_judged, rows_rejected, null), reason from ("
                "select *, load_id_in_force in (select load_id from quality.source_table) as is_judged from quality.delivery"
                ") order by 1, 2"
            ).fetchall()
        return connection.execute(
            "select sender_id, delivery_id, state, null, null, null, null, reason from raw.delivery where state <> 'replaced' order by 1, 2"
        ).fetchall()


def _missing(registry: Registry) -> list[str]:
    from orchestration.database.warehouse_file import warehouse
    from orchestration.raw.withdrawals import missing

    with warehouse(registry.warehouse) as connection:
        return missing(connection, registry)


def _why(result: dg.ExecuteInProcessResult, name: str) -> str:
    """The sentence of a refusal; an error that is no refusal is raised as what it is."""
    from orchestration.database.warehouse_file import WarehouseBusy, WarehouseUnusable
    from orchestration.raw.pseudonym import PseudonymKeyError

    told_as_they_are = {error.__name__: error for error in (WarehouseBusy, WarehouseUnusable, PseudonymKeyError)}
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            assert error is not None  # a step that failed says why
            text = error.message.strip()
            if error.cls_name != "Failure":
                error = error.cause or error
                if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
                    raise KeyboardInterrupt
                if kind := told_as_they_are.get(error.cls_name or ""):
                    raise kind(f"{name}: {error.message.strip().removeprefix(f'{kind.__module__}.{kind.__name__}: ')}")
                raise RunFailed(f"{name}: {event.step_key}: {error.message.strip()}")
            return text.removeprefix("dagster._core.definitions.events.Failure:").strip()
    raise RunFailed(f"{name}: the run failed; see it in: myositis ui")
