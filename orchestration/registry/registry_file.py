"""What `registry.yml` may say.

Belongs here: the pydantic models of its keys. Does not belong here: `publish` (`publish.py`), the other files
of a registry, reading them (`folder.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from orchestration.registry.publish import Publish
from yaml_files.strict import Id, Strict
from yaml_files.yaml_file import nearest


class VisitWindow(Strict):
    """One scheduled visit: visits from ``from_day`` to ``to_day`` compete for it, the nearest to nominal
    wins.
    """

    visit: Id
    nominal_month: float = Field(description="Its time in models and figures.")
    nominal_day: float
    from_day: float
    to_day: float

    @model_validator(mode="after")
    def ordered(self) -> VisitWindow:
        if not self.from_day <= self.nominal_day <= self.to_day:
            raise ValueError("expected from_day <= nominal_day <= to_day")
        return self


class Unattended(Strict):
    """What `myositis daemon` does by itself, and when. Nothing here changes a number."""

    time_zone: str = Field(
        "UTC", description="The zone of `night` and of each schedule: Europe/Berlin, Asia/Shanghai, …"
    )
    night: str = Field(
        "02:00",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="When what is outstanding is tried once more; a night that was missed is made up for "
        "once.",
    )
    look_every_seconds: int = Field(
        15,
        ge=1,
        description="How often landing and this folder are looked at; Dagster looks every 5 s at most.",
    )
    attempts: int = Field(
        6, ge=1, description="How often a delivery or a build whose run broke is tried before the night."
    )
    first_pause_seconds: float = Field(
        60, ge=0, description="The pause before the second attempt; each further pause is twice as long."
    )
    keep_runs: int = Field(
        10, ge=1, description="How many runs of the build, and half as many of each delivery, Dagster keeps."
    )

    @field_validator("time_zone")
    @classmethod
    def known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError):  # not a name of a zone; a name that no file of the system has
            raise ValueError(f'no time zone "{value}"{nearest(value, available_timezones())}') from None
        return value

    def last_night(self, now: float) -> float:
        """When the night began last, in seconds since 1970."""
        at = datetime.fromtimestamp(now, ZoneInfo(self.time_zone))
        hour, minute = (int(part) for part in self.night.split(":"))
        night = at.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return (night if night <= at else night - timedelta(days=1)).timestamp()

    @property
    def told_night(self) -> str:
        return f"{self.night} {self.time_zone}"


class BehindProxy(Strict):
    """The reverse proxy that signs people in before they reach `myositis ui`."""

    header: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="The header in which it names the user: X-Forwarded-User, Remote-User, …",
    )
    address: str = Field(
        "127.0.0.1",
        description="Where it comes from, an address or a network (10.0.0.0/24): every request from there is "
        "trusted.",
    )
    origin: str = Field(description="What people open in their browser: https://registry.example.org")

    @field_validator("address")
    @classmethod
    def network(cls, value: str) -> str:
        try:
            ip_network(value)
        except ValueError:
            raise ValueError(
                f'expected an address or a network, as 127.0.0.1 or 10.0.0.0/24; found "{value}"'
            ) from None
        return value

    @field_validator("origin")
    @classmethod
    def bare(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or value != f"{parts.scheme}://{parts.netloc.lower()}":
            raise ValueError(
                f'expected scheme and name alone, as https://registry.example.org; found "{value}"'
            )
        return value


class RegistryFile(Strict):
    """registry.yml"""

    name: str
    synthetic: bool = Field(False, description="Printed wherever a reader could take the data for real.")
    description: str = ""
    small_cell_threshold: int = Field(
        5,
        ge=0,
        description="Counts below it are masked in what leaves the house (`myositis report --public`); one "
        "below 5 counts as 5.",
    )
    dates: Literal["exact", "shifted", "month"] = Field(
        "month",
        description="Patients' dates in what leaves the house: exact; shifted, by a number of days that "
        "differs between patients; or the month.",
    )
    visit_schedule: list[VisitWindow] = Field(min_length=1)
    observation_window_days: float = Field(
        14,
        ge=0,
        description="An observation belongs to the nearest visit that is at most this many days away.",
    )
    pseudonym_key: str = Field(
        ".keys/pseudonym.key",
        description="File of the key that makes patient_key; relative to the registry, or absolute.",
    )
    group: str | None = Field(
        None,
        description="A group of this machine that may read warehouse, releases, reports and queries, too."
        " Without it only their owner may.",
    )
    keep_releases: int = Field(5, ge=1)
    quiet_seconds: float = Field(
        10,
        ge=0,
        description="A delivery without a _SUCCESS marker is complete when it has not changed for this many "
        "seconds.",
    )

    memory_limit: str = Field(
        "4GB",
        pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$",
        description="The most memory that a build may take; beyond it DuckDB uses the disk beside the "
        "warehouse.",
    )
    unattended: Unattended = Field(
        default_factory=Unattended, description="What `myositis daemon` does by itself, and when."
    )
    behind_proxy: BehindProxy | None = Field(
        None,
        description="The reverse proxy that signs people in. Without it `myositis ui` serves this machine "
        "alone.",
    )
    publish: Publish | None = Field(
        None, description="The PostgreSQL database that gets each release (docs/postgresql.md)."
    )

    patient_pages: bool = Field(
        False,
        description="Whether `myositis ui` shows pages of single patients. They are not masked: everybody "
        "who may open the pages sees every value of a patient.",
    )

    @field_validator("visit_schedule")
    @classmethod
    def once(cls, value: list[VisitWindow]) -> list[VisitWindow]:
        names = [w.visit for w in value]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"these visits are listed twice: {', '.join(twice)}")
        return value
