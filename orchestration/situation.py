"""How a registry stands: deliveries, which of them are refused or outstanding, releases, waivers, and what in
landing needs a person.

It is read once, as one frozen record, and handed to the command, to its closing screen and to any page.
Belongs here: what is known, put together from the layers. Does not belong here: printing (`command/`),
changing anything (the layers).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.database.warehouse_file import LOCK_WAIT_SECONDS, WarehouseBusy, glance
from orchestration.landing.arrivals import Stray, strays
from orchestration.landing.inventory import Inventory
from orchestration.raw.due import Due, all_due
from orchestration.raw.ledger import State
from orchestration.raw.outstanding import complete_deliveries, unsettled
from orchestration.raw.withdrawals import MissingDelivery, missing
from orchestration.registry.folder import Registry
from orchestration.release.identity import CURRENT
from orchestration.running.refusals import DeliveryRefusal

if TYPE_CHECKING:
    from expectations.suite import Waiver

WAIVERS_SHOWN_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Delivery:
    """A delivery as the ledger has it, with counts of rows once the models have judged them."""

    sender: str
    delivery: str
    state: State
    files: int | None = None
    rows_in: int | None = None
    rows_accepted: int | None = None
    rows_rejected: int | None = None
    reason: str | None = None

    @property
    def is_judged(self) -> bool:
        return self.rows_accepted is not None


@dataclass(frozen=True)
class Release:
    """A published release, as its manifest describes it."""

    release_id: str
    made_at: str
    is_synthetic: bool
    checks_run: int
    checks_passed: int
    is_current: bool


@dataclass(frozen=True)
class Situation:
    """Everything that the keeper of a registry is told about it, as it stood at one moment."""

    deliveries: tuple[Delivery, ...]
    outstanding: tuple[Inventory, ...]  # complete, and the ledger has not settled them
    strays: tuple[Stray, ...]  # in landing, but no run reads them
    missing: tuple[MissingDelivery, ...]  # in force, but gone from landing
    releases: tuple[Release, ...]  # the newest first
    waivers: tuple[Waiver, ...]
    due: tuple[Due, ...] = ()  # of each sender that has to deliver regularly, when the next one is due
    held: str = (
        ""  # who holds the warehouse, if it could not be read: the deliveries are those of the release then
    )

    @property
    def refusals(self) -> tuple[DeliveryRefusal, ...]:
        """Deliveries whose latest content was refused and has not been replaced."""
        return tuple(
            DeliveryRefusal(d.sender, d.delivery, tuple((d.reason or "").split("\n")), stands=True)
            for d in self.deliveries
            if d.state is State.REFUSED
        )

    @property
    def current_release(self) -> Release | None:
        return next((r for r in self.releases if r.is_current), None)

    @property
    def has_accepted(self) -> bool:
        return any(d.state is State.ACCEPTED for d in self.deliveries)

    def waivers_to_renew(self, today: date) -> tuple[Waiver, ...]:
        """The waivers that have ended or will end within a month, those that end first at the top."""
        return tuple(
            sorted(
                (w for w in self.waivers if w.expires <= today + WAIVERS_SHOWN_BEFORE),
                key=lambda w: w.expires,
            )
        )


def read_situation(registry: Registry, wait_seconds: float = LOCK_WAIT_SECONDS) -> Situation:
    """The registry as it stands now. Reads landing, and opens the warehouse once, for reading only."""
    complete = complete_deliveries(registry)
    with glance(registry.warehouse, wait_seconds) as connection:
        return Situation(
            deliveries=tuple(_deliveries(connection)),
            outstanding=tuple(unsettled(connection, registry, complete)),
            strays=tuple(strays(registry)),
            missing=tuple(missing(connection, registry)),
            releases=tuple(releases_of(registry)),
            waivers=tuple(registry.waivers),
            due=tuple(all_due(connection, registry)),
        )


def glance_at_situation(
    registry: Registry,
    wait_seconds: float,
    open_release: Callable[[Path], duckdb.DuckDBPyConnection] = lambda path: duckdb.connect(
        str(path), read_only=True
    ),
) -> Situation:
    """The registry as it can be known soon; while a run holds the warehouse, by its current release.

    A process can open a file in one manner only, so a process that has releases open hands in its own way to
    open them.
    """
    try:
        return read_situation(registry, wait_seconds)
    except WarehouseBusy as busy:
        deliveries: list[Delivery] = []
        if (registry.releases / CURRENT).exists():
            with closing(open_release((registry.releases / CURRENT).resolve())) as connection:
                deliveries = _deliveries(connection)
        return Situation(
            deliveries=tuple(deliveries),
            outstanding=(),
            strays=tuple(strays(registry)),
            missing=(),
            releases=tuple(releases_of(registry)),
            waivers=tuple(registry.waivers),
            held=str(busy),
        )


def _deliveries(connection: duckdb.DuckDBPyConnection) -> list[Delivery]:
    """The deliveries by sender and delivery: from quality.delivery if it is built, else from the
    ledger alone.
    """
    is_built = connection.execute(
        "select count(*) > 0 from information_schema.tables where table_schema = 'quality' "
        "and table_name = 'delivery'"
    ).fetchall()[0][0]
    rows = connection.execute(
        "select sender_id, delivery_id, state, files, rows_in, if(is_judged, rows_accepted, null),"
        " if(is_judged, rows_rejected, null), reason from ("
        "select *, load_id_in_force in (select load_id from quality.source_table) as is_judged "
        "from quality.delivery"
        ") order by 1, 2"
        if is_built
        else "select sender_id, delivery_id, state, null, null, null, null, reason from raw.delivery"
        " where state <> 'replaced'"
        " qualify row_number() over (partition by sender_id, delivery_id order by loaded_at desc, load_id) "
        "= 1 order by 1, 2"
    ).fetchall()
    return [Delivery(sender, delivery, State(state), *counts) for sender, delivery, state, *counts in rows]


def releases_of(registry: Registry) -> list[Release]:
    """The releases that are kept, the newest first."""
    link = registry.releases / CURRENT
    current = link.resolve().stem if link.exists() else None
    manifests = [
        (path, _manifest(path))
        for path in registry.releases.glob("r*.json")
        if path.with_suffix(".duckdb").exists()
    ]
    return sorted(
        (
            Release(
                m["release_id"],
                m["made_at"],
                m["synthetic"],
                m["checks"]["run"],
                m["checks"]["passed"],
                is_current=path.stem == current,
            )
            for path, m in manifests
        ),
        key=lambda r: (r.made_at, r.release_id),
        reverse=True,
    )


def _manifest(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
