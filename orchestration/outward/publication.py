"""Publishing the current release into the registry's database, and what became of it.

Belongs here: which release, the record of the last attempt, whether one is outstanding. Does not belong here:
writing into PostgreSQL (`postgresql.py`), when it is tried again (`automation.py`, `command/flow.py`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from orchestration.files import make_private_folder, write_atomically
from orchestration.outward.postgresql import Published, publish
from orchestration.outward.postgresql_server import Content, PublicationFailed, damaged
from orchestration.registry.folder import Registry
from orchestration.registry.publish import READERS, Address
from orchestration.release.identity import CURRENT, current_manifest

log = logging.getLogger("myositis")


@dataclass(frozen=True)
class Record:
    """What became of the publications into the database that registry.yml names."""

    to: str
    release_id: str | None = None  # what the database holds
    published_at: str | None = None
    wanted: str | None = None  # what the last attempt was to publish, if it failed
    attempts: int = 0  # in vain, one after the other
    failed_at: str | None = None
    failure: str | None = None

    def sentence(self, current: str | None) -> str:
        """How it stands, for a person; ``current`` is the release that readers of the file see."""
        holds = f"{self.release_id} since {self.published_at}" if self.release_id else "no release yet"
        if self.release_id == current:
            return f"published: {self.release_id} in {self.to} since {self.published_at}"
        if self.failure is None:
            return (
                f"not published yet: {current} in {self.to}, which holds {holds}; do it with: myositis "
                "publish"
            )
        return (
            f"not published: {current}; the database holds {holds}; attempt {self.attempts} failed at "
            f"{self.failed_at}: {self.failure}; it is tried again by the next `myositis run`, and by itself "
            "while a daemon is up"
        )


def publish_current(registry: Registry, to: Address | None = None) -> Published:
    """Publish the current release to ``to``, or to the database of registry.yml. Raises PublicationFailed.

    What became of it is recorded, if it is the database of registry.yml.
    """
    own = registry.file.publish
    address = to or (own.address if own else None)
    if address is None:
        raise ValueError("publish_current: no address is given, and registry.yml has none")
    is_own = own is not None and address == own.address
    try:
        published = publish(_content(registry), address, own.readers if own else READERS)
    except PublicationFailed as failure:
        if is_own:
            manifest = current_manifest(registry)
            wanted = manifest["release_id"] if manifest else None
            _write(registry, _failed(read_record(registry), wanted, str(failure)))
        raise
    if is_own:
        _write(registry, Record(address.told, published.release_id, _now()))
    for column in published.unlisted:
        log.warning("%s has no type in orchestration/outward/columns.csv; it is published as text", column)
    return published


def is_outstanding(registry: Registry) -> bool:
    """Whether registry.yml names a database that does not hold the current release."""
    manifest = current_manifest(registry)
    record = read_record(registry)
    return record is not None and manifest is not None and record.release_id != manifest["release_id"]


def read_record(registry: Registry) -> Record | None:
    """How publishing stands; None if registry.yml names no database. Another database begins anew."""
    own = registry.file.publish
    if own is None:
        return None
    told = own.address.told
    try:
        found = Record(**json.loads(registry.publication_record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Record(told)
    return found if found.to == told else Record(told)


def told(registry: Registry) -> str | None:
    """A sentence on the publication; None if registry.yml names no database, or there is no release yet."""
    record, manifest = read_record(registry), current_manifest(registry)
    return record.sentence(manifest["release_id"]) if record and manifest else None


def try_outstanding(registry: Registry) -> str | None:
    """Publish what is outstanding; returns the sentence of a failure, which is recorded and ends nothing."""
    if not is_outstanding(registry):
        return None
    try:
        published = publish_current(registry)
    except PublicationFailed:
        failed = told(registry)
        log.warning("%s", failed)
        return failed
    log.info("published: %s, %d tables, %d rows", published.release_id, published.tables, published.rows)
    return None


def _content(registry: Registry) -> Content:
    manifest = current_manifest(registry)
    if manifest is None:
        raise PublicationFailed("there is no release yet; make one with: myositis run")
    file = (registry.releases / CURRENT).resolve()
    with file.open("rb") as handle:
        if hashlib.file_digest(handle, "sha256").hexdigest() != manifest["sha256"]:
            raise PublicationFailed(damaged(file))
    return Content(
        file,
        manifest["release_id"],
        manifest["registry"],
        manifest["synthetic"],
        manifest["made_at"],
        manifest["sha256"],
    )


def _failed(record: Record | None, wanted: str | None, failure: str) -> Record:
    if record is None:
        raise ValueError("_failed: registry.yml names no database")
    attempts = record.attempts + 1 if record.wanted == wanted else 1
    return replace(record, wanted=wanted, attempts=attempts, failed_at=_now(), failure=failure)


def _write(registry: Registry, record: Record) -> None:
    make_private_folder(registry.publication_record.parent)
    write_atomically(registry.publication_record, json.dumps(asdict(record), indent=2) + "\n", mode=0o600)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
