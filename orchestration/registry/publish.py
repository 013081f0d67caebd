"""`publish` of registry.yml: the PostgreSQL database that gets each release, and how its address is read.

Belongs here: what an address may say, and its faults. Does not belong here: connecting, writing
(`orchestration/outward/`).

An address holds no password: it would stand in a file, a list of processes or a log. libpq finds the password
in PGPASSWORD, or in the file ~/.pgpass. No sentence repeats an address that cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, model_validator

from yaml_files.strict import Strict

SCHEMES = ("postgresql", "postgres")
EXAMPLE = "postgresql://publisher@db.example.org/registry"
NO_PASSWORD = (
    "an address must not hold a password; take it out, set another password at the server, and give that "
    "by the environment variable PGPASSWORD or the file ~/.pgpass"
)
QUERY = ("host", "sslmode", "sslrootcert")
SECURE = ("require", "verify-ca", "verify-full")
INSECURE = ("disable", "allow", "prefer")
READERS = "myositis_reader"


class AddressRefused(ValueError):
    """The address cannot be used; the text says why, and never repeats it."""


@dataclass(frozen=True)
class Address:
    """A PostgreSQL database. ``host`` is a name, an address, a folder of sockets, or empty: the usual
    socket.
    """

    host: str
    port: int | None
    user: str
    database: str
    sslmode: str
    sslrootcert: str = ""

    @property
    def told(self) -> str:
        """As it is shown to people: ``postgresql://publisher@db.example.org:5433/registry``."""
        where = "" if self.is_socket else f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        user = f"{self.user}@" if self.user else ""
        folder = f"?host={self.host}" if self.is_socket and self.host else ""
        return f"postgresql://{user}{where}{port}/{self.database}{folder}"

    @property
    def is_socket(self) -> bool:
        return not self.host or self.host.startswith("/")

    def connection_string(self) -> str:
        """As libpq reads it."""
        said = {
            "host": self.host,
            "port": str(self.port or ""),
            "user": self.user,
            "dbname": self.database,
            "sslmode": self.sslmode,
            "sslrootcert": self.sslrootcert,
            "connect_timeout": "15",
            "application_name": "myositis publish",
        }
        return " ".join(f"{key}={_quoted(value)}" for key, value in said.items() if value)


def read_address(text: str) -> Address:
    """The address that a person wrote; raises AddressRefused."""
    try:
        parts = urlsplit(text)
        port, password = parts.port, parts.password
    except ValueError:
        raise AddressRefused(f"it cannot be read as an address; expected one like {EXAMPLE}") from None
    if parts.scheme not in SCHEMES:
        raise AddressRefused(
            f"expected the address of a PostgreSQL database, one like {EXAMPLE}; nothing else can be "
            "published to"
        )
    query = parse_qsl(parts.query, keep_blank_values=True)
    if password is not None or any(key.lower() in ("password", "passfile") for key, _ in query):
        raise AddressRefused(NO_PASSWORD)
    if unknown := sorted({key for key, _ in query if key not in QUERY}):
        raise AddressRefused(
            f"it has {', '.join(unknown)} after the question mark; only these are allowed there: "
            f"{', '.join(QUERY)}"
        )
    said = dict(query)
    host = unquote(said.get("host") or parts.hostname or "")
    database = unquote(parts.path.strip("/"))
    if not database or "/" in database:
        raise AddressRefused(f"it names no database; expected one like {EXAMPLE}")
    if "," in parts.netloc or "," in host:
        raise AddressRefused("it names several servers; name the one that takes writes")
    own_machine = not host or host.startswith("/") or _is_loopback(host)
    sslmode = said.get("sslmode") or ("prefer" if own_machine else "require")
    if sslmode not in (*SECURE, *INSECURE):
        raise AddressRefused(f"sslmode: expected one of {', '.join(SECURE)}")
    if sslmode in INSECURE and not own_machine:
        raise AddressRefused(
            f"sslmode={sslmode} lets patients' data cross the network in the clear; write one of"
            f" {', '.join(SECURE)}, or leave it out, which means require"
        )
    return Address(host, port, unquote(parts.username or ""), database, sslmode, said.get("sslrootcert", ""))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Publish(Strict):
    """The PostgreSQL database that gets each release."""

    to: str = Field(
        description=f"Its address, without a password: {EXAMPLE}. PGPASSWORD or ~/.pgpass has the password."
    )
    readers: str = Field(
        READERS,
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="The role that may read what is published, and nothing else; grant it to people.",
    )

    @model_validator(mode="before")
    @classmethod
    def readable(cls, keys: Any) -> Any:
        """Judged as a whole, because the fault of a single key repeats what was found."""
        if isinstance(keys, dict) and isinstance(keys.get("to"), str):
            read_address(keys["to"])
        return keys

    @property
    def address(self) -> Address:
        return read_address(self.to)
