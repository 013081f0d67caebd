"""The server's errors as a person reads them, with what to do.

Belongs here: the words that identify an error, and the sentence. Does not belong here: writing
(`postgresql.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

from orchestration.outward.columns import SCHEMAS
from orchestration.outward.postgresql_server import LOCK_SECONDS, PublicationFailed
from orchestration.registry.publish import Address

# The server's errors as a person reads them: the words that identify an error, and the sentence. DuckDB hands
# on only the words of an error, without its code.
Sentence = Callable[[Address, str], str]
ERRORS: tuple[tuple[str, Sentence], ...] = (
    (
        "password authentication failed|no password supplied|empty password",
        lambda a, r: (
            f"{a.told}: the server refused the password of {a.user or 'this user'}, or got none, or has no "
            "such role; give the password by the environment variable PGPASSWORD or the file ~/.pgpass, "
            "and check the user's name"
        ),
    ),
    (
        'database ".*" does not exist',
        lambda a, r: (
            f"{a.told}: the server has no database {a.database}; the server's administrator makes it with:"
            f' create database "{a.database}" owner "{a.user}"'
        ),
    ),
    (
        'role ".*" does not exist|user name .* does not exist',
        lambda a, r: (
            f"{a.told}: the server does not know the user {a.user}; the server's administrator makes one "
            f'with: create role "{a.user}" login'
        ),
    ),
    (
        "server does not support SSL|SSL error|certificate|sslrootcert|root.crt",
        lambda a, r: (
            f"{a.told}: no connection by TLS (sslmode={a.sslmode}) could be made; turn TLS on at the "
            "server (`ssl = on` in postgresql.conf), and if sslmode asks for a certificate, let "
            "sslrootcert name that of the server's authority"
        ),
    ),
    (
        "no pg_hba.conf entry|no encryption|peer authentication failed",
        lambda a, r: (
            f"{a.told}: the server does not let this user in from this machine; its administrator adds a line"
            " to pg_hba.conf (docs/postgresql.md)"
        ),
    ),
    (
        "too many (clients|connections)|remaining connection slots",
        lambda a, r: (
            f"{a.told}: the server has no connection left; try again later, or have its administrator raise"
            " max_connections"
        ),
    ),
    (
        "the database system is (starting up|shutting down)|in recovery mode|terminating connection|server "
        "closed the connection|connection (to server was )?lost",
        lambda a, r: f"{a.told}: the server went away or is starting; try again when it is up",
    ),
    (
        "Unable to connect|could not translate host name|[Cc]onnection refused|timeout expired|No route to "
        "host|No such file or directory|Network is unreachable",
        lambda a, r: (
            f"{a.told}: no server answers there; check that the address is right, that the server is up, "
            "and that no firewall keeps this machine out"
        ),
    ),
    (
        "read-only transaction",
        lambda a, r: (
            f"{a.told}: this server takes no writes (a standby, or default_transaction_read_only); name the"
            " server that does"
        ),
    ),
    (
        "permission denied to create role",
        lambda a, r: (
            f"{a.told}: the user {a.user} may not make the role {r}, which reads what is published; the "
            f'server\'s administrator makes it once with: create role "{r}" nologin'
        ),
    ),
    (
        "permission denied|must be owner",
        lambda a, r: (
            f"{a.told}: the user {a.user} may not write there; the database's owner allows it with: grant "
            f'create on database "{a.database}" to "{a.user}"; if somebody else published there before, '
            f"first drop what they published: drop schema {', '.join(SCHEMAS)} cascade"
        ),
    ),
    (
        "No space left on device|could not extend file|could not write|disk full",
        lambda a, r: f"{a.told}: the server's disk is full; make room there, and publish again",
    ),
    (
        "lock timeout|deadlock detected",
        lambda a, r: (
            f"{a.told}: a table gets a new shape, and somebody has been reading it for {LOCK_SECONDS} s; "
            "publish again when the query has ended"
        ),
    ),
    (
        "cannot alter type of a column used by a view|other objects depend on it",
        lambda a, r: (
            f"{a.told}: a table gets a new shape, and a view that somebody made in the database reads the"
            " column that changes; drop that view, publish, and make it again"
        ),
    ),
)


@contextmanager
def told_as_sentences(address: Address, readers: str) -> Iterator[None]:
    """Turn the server's error into a sentence with what to do."""
    try:
        yield
    except duckdb.Error as error:
        raise PublicationFailed(told_error(str(error), address, readers)) from None


def told_error(text: str, address: Address, readers: str) -> str:
    """The sentence for an error of the server, or of the way to it.

    Of one that is not foreseen the first line is kept: those after it (DETAIL, CONTEXT) may hold a patient's
    value.
    """
    for words, sentence in ERRORS:
        if re.search(words, text):
            return sentence(address, readers)
    return f"{address.told}: the server refused it: {_first_line(text)}"


def _first_line(text: str) -> str:
    """What went wrong, without the statement and without values."""
    found = re.search(r"(?:ERROR|FATAL): +([^\n]*)", text)
    line = found.group(1) if found else text.splitlines()[0]
    return re.sub(r'"[^"]*"(?=\s*$)|: ".*', "", line).strip()[:300]
