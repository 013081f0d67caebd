"""The closing screen: what a command says when it has ended, and what `myositis status` shows.

Belongs here: which sentences are shown. Does not belong here: doing anything (`flow.py`), the terminal
(`console.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from orchestration.command import console
from orchestration.command.flow import Outcome, needing_a_person
from orchestration.database.warehouse_file import GLANCE_SECONDS
from orchestration.outward import publication
from orchestration.queries.asked import standings
from orchestration.raw.ledger import State
from orchestration.registry.folder import SUCCESS_MARKER, Registry
from orchestration.release.identity import CURRENT
from orchestration.release.needs_build import needs_build
from orchestration.running.supervisor import DAEMON_LOCK, holder
from orchestration.situation import Delivery, Situation, glance_at_situation


def show(registry: Registry, outcome: Outcome) -> None:
    """The closing screen."""
    situation = outcome.situation
    show_deliveries(situation.deliveries)
    release = situation.current_release
    if release is None and not outcome.refusals and situation.has_accepted:
        console.out.print("\nno release yet; make one with: myositis run", markup=False)
    elif release is None and not outcome.refusals and not situation.held:
        console.out.print(
            "\n"
            "no release yet: no delivery has been accepted; put one under "
            f"{registry.landing}/<sender>/<delivery>/, wait until it has arrived or add a file "
            f"{SUCCESS_MARKER} to it, and run again",
            markup=False,
        )
    elif outcome.is_unchanged and not outcome.refusals:
        console.out.print("\nnothing changed: no new delivery, no new rule, no new study", markup=False)
    if release:
        word = "released" if outcome.released else "current release"
        console.out.print(
            f"\n{word}: {release.release_id} ({release.made_at})"
            + ("  SYNTHETIC DATA" if release.is_synthetic else ""),
            markup=False,
        )
        failing = release.checks_run - release.checks_passed
        console.out.print(
            f"  checks    {release.checks_passed} of {release.checks_run} hold"
            + (
                f'; {failing} warn{"s" * (failing == 1)}, see "Data quality" in the report' if failing else ""
            ),
            markup=False,
        )
        console.out.print(f"  report    {registry.reports / 'current' / 'report.html'}", markup=False)
        console.out.print(f"  tables    {registry.reports / 'current' / 'tables'}", markup=False)
        console.out.print(f"  release   {registry.releases / CURRENT}", markup=False)
        if registry.file.publish and not publication.is_outstanding(registry):
            console.out.print(f"  published {registry.file.publish.address.told}", markup=False)
    if outcome.refusals:
        console.fail("\n" + "\n".join(refusal.sentence() for refusal in outcome.refusals))


def show_deliveries(deliveries: Sequence[Delivery]) -> None:
    console.table(
        "deliveries",
        ["sender", "delivery", "state", "files", "rows in", "accepted", "rejected"],
        [
            (d.sender, d.delivery, d.state, d.files, d.rows_in, d.rows_accepted, d.rows_rejected)
            for d in deliveries
        ],
        right=["files", "rows in", "accepted", "rejected"],
    )
    for sender in sorted({d.sender for d in deliveries if d.rows_rejected}):
        console.out.print(
            f"rejected rows, each with its place and what was expected: myositis queries {sender}",
            markup=False,
        )
    if any(d.state is State.ACCEPTED and not d.is_judged for d in deliveries):
        console.out.print("rows are judged when the models are built: myositis run", markup=False)


def show_status(registry: Registry) -> None:
    situation = glance_at_situation(registry, GLANCE_SECONDS)
    console.out.print(f"{registry.file.name} ({registry.folder})", markup=False)
    if situation.held:
        console.out.print(
            f"{situation.held}\nUntil then only the deliveries of the current release can be shown.",
            markup=False,
        )
    show(registry, Outcome(situation, refusals=situation.refusals))
    today = date.today()
    show_questions(registry, today)
    for sentence in (
        *needing_a_person(situation),
        *(due.sentence(today) for due in situation.due),
        *ending_waivers(situation, today),
        *(f"outstanding: {i.sender}/{i.delivery} ({len(i.files)} files)" for i in situation.outstanding),
        *told_of_attempts(registry, situation),
        *filter(None, [publication.told(registry)]),
        told_of_daemon(registry),
    ):
        console.out.print(sentence, markup=False)


def told_of_attempts(registry: Registry, situation: Situation) -> list[str]:
    """Sentences on the outstanding work that a daemon has tried in vain."""
    if situation.held or not (registry.dagster_home / "history").is_dir():
        return []  # nothing was ever launched here: Dagster need not be imported
    if not situation.outstanding and not needs_build(registry, GLANCE_SECONDS):
        return []
    import dagster as dg

    from orchestration.automation import told_in_vain

    with dg.DagsterInstance.get() as instance:
        return told_in_vain(registry, instance)


def told_of_daemon(registry: Registry) -> str:
    """Whether anything happens by itself."""
    own = registry.file.unattended
    process = holder(registry.dagster_home / DAEMON_LOCK)
    if process is None:
        return "unattended: nothing runs by itself, because neither `myositis daemon` nor `myositis ui` is up"
    return (
        f"unattended: process {process} looks for deliveries every {own.look_every_seconds} s; what is "
        f"outstanding is tried once more at night ({own.told_night})"
    )


def show_questions(registry: Registry, today: date) -> None:
    """The questions to each hospital: asked, answered, settled by a delivery, open, and for how long."""
    found = standings(registry, today, GLANCE_SECONDS)
    if not found:
        return
    number = ["asked", "answered", "settled by a delivery", "open", "oldest open, days", "days to an answer"]
    console.table(
        "\nquestions to hospitals",
        ["hospital", *number],
        [
            (
                s.hospital,
                s.asked,
                s.answered,
                s.settled,
                s.open,
                s.oldest_open_days,
                None if s.median_days_to_answer is None else f"{s.median_days_to_answer:g}",
            )
            for s in found
        ],
        right=number,
    )


def ending_waivers(situation: Situation, today: date) -> list[str]:
    """Sentences on the waivers that have ended or will end within a month."""
    return [
        "waivers.yml: "
        f"{w.expectation}{f' of {w.hospital}' if w.hospital else ''}{f' ({w.item})' if w.item else ''}: "
        f"{'ended' if w.expires < today else 'ends'} on {w.expires}; ask {w.owner}, and renew it or take it "
        "out"
        for w in situation.waivers_to_renew(today)
    ]
