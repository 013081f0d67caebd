"""The closing screen: what a command says when it has ended, and what `myositis status` shows.

Belongs here: which sentences are shown. Does not belong here: doing anything (`flow.py`), the terminal (`console.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from orchestration.command import console
from orchestration.command.flow import Outcome, _deliveries, _missing, standing_refusals
from orchestration.raw.outstanding import outstanding
from orchestration.registry.folder import SUCCESS_MARKER, Registry

WAIVERS_SHOWN_BEFORE = timedelta(days=30)


def show(registry: Registry, outcome: Outcome) -> None:
    """The closing screen."""
    from orchestration.release.identity import CURRENT, current_manifest

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


def show_deliveries(deliveries: list[tuple[Any, ...]]) -> None:
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
