"""The flow as the command runs it: the jobs of `definitions.py`, in this process, against the registry's Dagster instance.

Belongs here: which jobs to run and what to tell afterwards. Does not belong here: the work (the layers), the options (`cli.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from textwrap import indent
from typing import TYPE_CHECKING

from orchestration import console, second_process
from orchestration.deliveries import outstanding, strays, to_judge_again
from orchestration.inventory import Inventory
from orchestration.registry import SUCCESS_MARKER, Registry

if TYPE_CHECKING:
    import dagster as dg

log = logging.getLogger("myositis")

WAIVERS_SHOWN_BEFORE = timedelta(days=30)
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

    from orchestration.runs import settle_dead_runs

    with dg.DagsterInstance.get() as instance:
        settle_dead_runs(registry, instance)
        yield instance


def _ingest(registry: Registry, found: list[Inventory], instance: dg.DagsterInstance) -> Outcome:
    from orchestration.definitions import ingestion_definitions
    from orchestration.landing import partitions

    definitions = ingestion_definitions(registry)
    outcome = Outcome()
    refusals: dict[str, str] = {}
    while found:
        taken = len(outcome.taken)
        for inventory in found:
            name = f"{inventory.sender}/{inventory.delivery}"
            definition = partitions(inventory.sender).name
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


def needs_build(registry: Registry) -> bool:
    """Whether the loads, rules, studies or code differ from those of the current release, or its report is missing; never of nothing.

    A build by other rules that was cut short is one more reason, though the rules be again what they were: it left tables of both.
    """
    from orchestration.database import BEING_BUILT, BUILT_BY_RULES, state, warehouse
    from orchestration.release import current_manifest, release_id

    manifest = current_manifest(registry)
    with warehouse(registry.warehouse) as connection:
        if manifest is None and not connection.execute("select count(*) from raw.current_load").fetchone()[0]:
            return False
        wanted = release_id(registry, connection)
        is_cut_short = (state(connection, BUILT_BY_RULES) or "").startswith(BEING_BUILT)
    if manifest is None or manifest["release_id"] != wanted or is_cut_short:
        return True
    return not (registry.reports / wanted / "report.html").exists()


def build(registry: Registry, with_report: bool) -> Outcome:
    """Bring models, release and results up to date, and the report if it is wanted."""
    with _instance(registry) as instance:
        return _build(registry, instance, with_report)


def _build(registry: Registry, instance: dg.DagsterInstance, with_report: bool) -> Outcome:
    from orchestration.definitions import build_definitions
    from orchestration.release import current_manifest
    from orchestration.runs import let_go, write_lock

    outcome = Outcome()
    job = build_definitions(registry).resolve_job_def("build")
    selection = None
    if not with_report:
        selection = [k for k in job.asset_layer.executable_asset_keys if k.path[0] != "report"]
    result = job.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET, asset_selection=selection)
    let_go(write_lock(registry))  # a build that its gate refused holds it still
    if result.success:
        outcome.released = current_manifest(registry)["release_id"]
    else:
        outcome.refusals.append(_why(result, "build"))
    return outcome


def report_only(registry: Registry) -> None:
    from orchestration.report import write_report

    log.info("report: %s", write_report(registry))


def check(registry: Registry) -> list[str]:
    """Faults of outstanding deliveries against their mappings, without loading them."""
    from orchestration import dbt
    from orchestration.correction_cells import check_corrections
    from orchestration.database import warehouse
    from orchestration.doubtful_words import notes_of_delivery, notes_of_loaded
    from orchestration.loading import find_faults

    console.out.print(f"{registry.file.name}: {console.in_order(len(registry.mappings), len(registry.studies))}", markup=False)
    for note in registry.unit_notes():
        console.out.print(f"note: {note}", markup=False)
    dbt.prepare_manifest()
    faults = [*registry.undecided(), *strays(registry), *_missing(registry)]
    found = outstanding(registry)
    with warehouse(registry.warehouse) as connection:
        faults += check_corrections(connection, registry)
        notes = list(notes_of_loaded(connection, registry))
        for inventory in found:
            own = find_faults(connection, registry, inventory)
            faults += [fault for fault in own if fault not in faults]
            if not own:
                notes += notes_of_delivery(connection, registry, inventory)
                console.out.print(f"{inventory.sender}/{inventory.delivery}: can be taken", markup=False)
    for note in notes:
        console.out.print(f"note: {note}", markup=False)
    return faults


def standing_refusals(registry: Registry, told: Sequence[str] = ()) -> list[str]:
    """Deliveries whose latest content was refused and has not been replaced; not those that were told in this run."""
    return [
        f"{sender}/{delivery} stands refused:\n{indent(reason, '  ')}" for sender, delivery, state, *_, reason in _deliveries(registry)
        if state == "refused" and not any(t.startswith(f"{sender}/{delivery} refused:") for t in told)
    ]


def _deliveries(registry: Registry) -> list[tuple]:
    """(sender, delivery, state, files, rows in, accepted, rejected, reason) of each delivery, from the ledger and, once built, quality."""
    from orchestration.database import warehouse

    with warehouse(registry.warehouse) as connection:
        built = connection.execute(
            "select count(*) from information_schema.tables where table_schema = 'quality' and table_name = 'delivery'"
        ).fetchone()[0]
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


def show(registry: Registry, outcome: Outcome) -> None:
    """The closing screen."""
    from orchestration.release import CURRENT, current_manifest

    manifest = current_manifest(registry)
    deliveries = _deliveries(registry)
    show_deliveries(deliveries)
    if manifest is None and not outcome.refusals and any(row[2] == "accepted" for row in deliveries):
        console.out.print("\nno release yet; make one with: myositis run", markup=False)
    elif manifest is None and not outcome.refusals:
        console.out.print(
            f"\nno release yet: no delivery has been accepted; put one under {registry.landing}/<sender>/<delivery>/, wait until it"
            f" has arrived or add a file {SUCCESS_MARKER} to it, and run again", markup=False)
    elif outcome.unchanged and not outcome.refusals:
        console.out.print("\nnothing changed: no new delivery, no new rule, no new study", markup=False)
    if manifest:
        word = "released" if outcome.released else "current release"
        console.out.print(f"\n{word}: {manifest['release_id']} ({manifest['made_at']})"
                          + ("  SYNTHETIC DATA" if manifest["synthetic"] else ""), markup=False)
        failing = manifest["checks"]["run"] - manifest["checks"]["passed"]
        console.out.print(f"  checks    {manifest['checks']['passed']} of {manifest['checks']['run']} hold"
                          + (f"; {failing} warn{'s' * (failing == 1)}, see \"Data quality\" in the report" if failing else ""), markup=False)
        console.out.print(f"  report    {registry.reports / 'current' / 'report.html'}", markup=False)
        console.out.print(f"  tables    {registry.reports / 'current' / 'tables'}", markup=False)
        console.out.print(f"  release   {registry.releases / CURRENT}", markup=False)
    if outcome.refusals:
        console.fail("\n" + "\n".join(outcome.refusals))


def show_deliveries(deliveries: list[tuple]) -> None:
    console.table(
        "deliveries",
        ["sender", "delivery", "state", "files", "rows in", "accepted", "rejected"],
        [row[:7] for row in deliveries],
        right=["files", "rows in", "accepted", "rejected"],
    )
    for sender in sorted({row[0] for row in deliveries if row[6]}):
        console.out.print(f"rejected rows, each with its place and what was expected: myositis queries {sender}", markup=False)
    if any(row[2] == "accepted" and row[5] is None for row in deliveries):
        console.out.print("rows are judged when the models are built: myositis run", markup=False)


def _missing(registry: Registry) -> list[str]:
    from orchestration.database import warehouse
    from orchestration.withdrawals import missing

    with warehouse(registry.warehouse) as connection:
        return missing(connection, registry)


def show_status(registry: Registry) -> None:
    console.out.print(f"{registry.file.name} ({registry.folder})", markup=False)
    show(registry, Outcome(refusals=standing_refusals(registry)))
    for sentence in _missing(registry):
        console.out.print(sentence, markup=False)
    for sentence in ending_waivers(registry, date.today()):
        console.out.print(sentence, markup=False)
    for inventory in outstanding(registry):
        console.out.print(f"outstanding: {inventory.sender}/{inventory.delivery} ({len(inventory.files)} files)", markup=False)


def ending_waivers(registry: Registry, today: date) -> list[str]:
    """Waivers that have ended, or end within a month."""
    return [
        f"waivers.yml: {w.expectation}{f' of {w.hospital}' if w.hospital else ''}{f' ({w.item})' if w.item else ''}:"
        f" {'ended' if w.expires < today else 'ends'} on {w.expires}; ask {w.owner}, and renew it or take it out"
        for w in sorted(registry.waivers, key=lambda w: w.expires) if w.expires <= today + WAIVERS_SHOWN_BEFORE
    ]


def _why(result, name: str) -> str:
    """The sentence of a refusal; an error that is no refusal is raised as what it is."""
    from orchestration.database import WarehouseBusy, WarehouseUnusable
    from orchestration.pseudonym import PseudonymKeyError

    told_as_they_are = {error.__name__: error for error in (WarehouseBusy, WarehouseUnusable, PseudonymKeyError)}
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            text = error.message.strip()
            if error.cls_name != "Failure":
                error = error.cause or error
                if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
                    raise KeyboardInterrupt
                if kind := told_as_they_are.get(error.cls_name):
                    raise kind(f"{name}: {error.message.strip().removeprefix(f'{kind.__module__}.{kind.__name__}: ')}")
                raise RunFailed(f"{name}: {event.step_key}: {error.message.strip()}")
            return text.removeprefix("dagster._core.definitions.events.Failure:").strip()
    raise RunFailed(f"{name}: the run failed; see it in: myositis ui")
