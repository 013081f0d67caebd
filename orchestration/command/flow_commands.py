"""The commands that move the registry on, or show how it stands.

Does not belong here: what they do (`flow.py`, `closing.py`, `services.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.command import console
from orchestration.command.application import DebugOption, Refused, RegistryOption, carry_out, registry_at

commands = typer.Typer(rich_markup_mode=None)


@commands.command(epilog="Example: myositis run --registry my_registry")
def run(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Take what is outstanding and bring models, release, results and report up to date."""
    from orchestration.command import flow
    from orchestration.running import second_process

    second_process.collect_seldom()
    carry_out(registry_at(registry), lambda current: flow.run_all(current, in_two_processes=True))


@commands.command(epilog="Example: myositis ingest --registry my_registry")
def ingest(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Take outstanding deliveries into schema raw, or refuse them; nothing is built or released."""
    from orchestration.command import flow

    carry_out(registry_at(registry), lambda current: flow.ingest(current, flow.look(current)))


@commands.command(epilog="Example: myositis check --registry my_registry")
def check(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Check the registry's files, and say what a run would take and refuse; it is tried in a private copy."""
    from orchestration.command import flow
    from orchestration.situation import read_situation

    current = registry_at(registry)
    with console.progress():
        faults = flow.check(current, read_situation(current))
    if faults:
        raise Refused("\n".join(faults))


@commands.command(epilog="Example: myositis release --registry my_registry")
def release(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Build the models, pass the gate, compute the results and publish a release; no report."""
    from orchestration.command import flow

    carry_out(registry_at(registry), lambda current: flow.build(current, with_report=False))


@commands.command(epilog="Example: myositis status")
def status(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Show deliveries, the current release, and what is outstanding."""
    from orchestration.command import closing

    closing.show_status(registry_at(registry))


@commands.command(epilog="Example: myositis daemon --registry my_registry")
def daemon(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Take, build, release and report by itself while this is up; no UI.

    It looks at landing/ and at the registry's files every few seconds, and launches what has arrived. A run
    that broke is tried again after growing pauses. Each night it tries once more what is still outstanding,
    and checks whether a delivery is overdue; a night that was missed is made up for once, at the next start.
    The time of the night, its time zone, pauses and attempts stand under `unattended` in registry.yml.
    What dies is started again. Ctrl-C or SIGTERM ends everything within five seconds (exit code 130 or 143);
    a run that was under way goes on at the next start. docs/unattended.md has units for systemd.
    """
    from orchestration.command import services
    from orchestration.warehouse import dbt

    current = registry_at(registry)
    dbt.prepare_manifest()
    services.daemon(current)


@commands.command(epilog="Example: myositis ui --port 3000")
def ui(
    port: Annotated[int, typer.Option(help="The port.")] = 3000,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The address of this machine to serve at. An address that other machines can reach needs "
            "`behind_proxy` in registry.yml.",
        ),
    ] = "127.0.0.1",
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve the registry's pages (how it stands, the report, Dagster), and do what `myositis daemon` does,
    unless one is up.

    Open the address that is printed: its token opens your browser's session, and nobody else's. Each start
    has a token of its own. Beyond this machine the pages are served only behind a reverse proxy that signs
    people in and names the user (docs/pages.md). Sensors and nightly schedules are on while this or
    `myositis daemon` is up, and only then.
    """
    from orchestration.command import services
    from orchestration.warehouse import dbt

    current = registry_at(registry)
    dbt.prepare_manifest()
    services.ui(current, host, port)
