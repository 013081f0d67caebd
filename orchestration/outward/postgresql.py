"""Writes a release into a PostgreSQL database, by DuckDB's postgres extension.

Belongs here: the transaction, the tables, keys, indexes, comments and rights. Does not belong here: which
release and when (`publication.py`), the types of columns (`columns.py`), the address
(`registry/publish.py`).

The tables stay, and one transaction brings them to the release: rows come in beside them, and those that
differ take the place of others. A reader's statement sees all rows of one release;
so does a whole transaction at REPEATABLE READ. Measured with 20 readers while 15 releases were published: a
new schema that takes the name by a rename showed 128 to 139 of some 4,500 such transactions tables of
another release, empty or full; this way showed none. Nor does a view break that an analyst made on a table.
A kill, a full disk or a lost line ends the transaction, and the last publication stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from orchestration.outward.columns import SCHEMAS, Column, Table, held, together, unlisted
from orchestration.registry.publish import Address

PUBLISHED = "release.publication"
SERVER, FILE = "server", "release_file"
INCOMING = "myositis_incoming"
MARK = "published by myositis"  # begins the comment of each schema: what has another owner is left alone
LOCK_SECONDS = (
    10  # how long it waits for a lock that only a change of a table's shape, or another person's, needs
)
# a table's rows are compared by hash: a merge by index takes three times as long on two million rows
HASH_JOINS = "set local work_mem = '64MB'; set local enable_mergejoin = off; set local enable_nestloop = off"
INDEXED = (
    ("hospital_id", "patient_key"),
    ("patient_id",),
    ("visit_key",),
    ("concept_id",),
    ("event_id",),
    ("treatment_id",),
    ("study_id",),
)
PUBLICATION = Table(
    "release",
    "publication",
    (
        Column("release_id", "text", 1),
        Column("registry_name", "text"),
        Column("synthetic", "boolean"),
        Column("made_at", "text"),
        Column("published_at", "timestamp with time zone"),
        Column("file_sha256", "text"),
    ),
)
COMMENTS = {
    ("publication", None): "Which release these tables hold, and since when. One row.",
    ("publication", "release_id"): "The release: every table here holds rows of this one alone.",
    ("publication", "registry_name"): "The registry that made it.",
    ("publication", "synthetic"): "Whether all patients are invented.",
    ("publication", "made_at"): "When the registry made the release.",
    ("publication", "published_at"): "When it was written here.",
    ("publication", "file_sha256"): "SHA-256 of the release's file.",
}


class PublicationFailed(Exception):
    """The release was not published, and the last publication stands; the text says why, and what to do."""


@dataclass(frozen=True)
class Published:
    """What a publication wrote. ``unlisted``: columns that `columns.csv` lacks; they are text there."""

    release_id: str
    tables: int
    rows: int
    unlisted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """The release that is to be published."""

    file: Path
    release_id: str
    registry: str
    is_synthetic: bool
    made_at: str
    sha256: str


def publish(content: Content, address: Address, readers: str) -> Published:
    """Replace what the database holds by this release, in one transaction. Raises PublicationFailed."""
    with closing(_opened(content.file)) as connection, _told(address, readers):
        connection.execute(f"attach {_text(address.connection_string())} as {SERVER} (type postgres)")
        columns = held(connection, FILE)
        tables = (*together(columns), PUBLICATION)
        server = Server(connection)
        _refuse_others(server, content)
        _widen(server, tables)
        with server.transaction():
            server.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            server.execute(HASH_JOINS)
            _alone(server)
            _make_missing(server, tables, content, readers)
            connection.execute("call pg_clear_cache()")  # or DuckDB would not see the tables just made
            rows = 0
            for table in tables[:-1]:
                rows += _copy(connection, table, columns)
                _take_over(server, table)
            server.execute(f"drop schema {INCOMING} cascade")
            _name_release(server, content)
            _describe(server, _comments(connection, tables))
            server.execute("; ".join(f"analyze {table.full_name}" for table in tables))
        _drop_gone(server, tables)
    return Published(content.release_id, len(tables) - 1, rows, tuple(unlisted(columns)))


class Server:
    """The attached database: SQL in PostgreSQL's own words."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str) -> None:
        if sql:
            self._connection.execute(f"call postgres_execute('{SERVER}', {_text(sql)})")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(f"from postgres_query('{SERVER}', {_text(sql)})").fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
            self._connection.commit()
        except BaseException:
            with suppress(duckdb.Error):  # a commit that failed has ended the transaction, too
                self._connection.rollback()
            raise


def extension() -> Path:
    """The file of DuckDB's postgres extension, as its package carries it."""
    package = find_spec("duckdb_extension_postgres_scanner")
    folders = [Path(f) for f in (package.submodule_search_locations or ())] if package else []
    found = [f for p in folders for f in p.glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")]
    if not found:
        raise PublicationFailed(
            f"the package duckdb-extension-postgres-scanner has no file for DuckDB {duckdb.__version__}; install the"
            " versions of requirements.lock"
        )
    return found[0]


def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )
    try:
        connection.execute(f"load {_text(str(extension()))}")
        connection.execute("set pg_null_byte_replacement = '\ufffd'")  # PostgreSQL's text holds no such byte
        connection.execute(f"attach {_text(str(file))} as {FILE} (read_only)")
    except duckdb.Error as error:
        connection.close()
        raise PublicationFailed(damaged(file)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def damaged(file: Path) -> str:
    return (
        f"{file.name} is damaged, or is not the file that its manifest describes; restore it from its backup, or remove"
        " it, and make it again with: myositis run"
    )


def _alone(server: Server) -> None:
    if server.query("select pg_try_advisory_xact_lock(hashtext('myositis publish'))") != [(True,)]:
        raise PublicationFailed(
            "another publication into this database is under way; try again when it has ended"
        )


def _refuse_others(server: Server, content: Content) -> None:
    """Leave alone what somebody else made, and what another registry published."""
    found = server.query(
        "select nspname::text, coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace as n"
        f" where nspname in ({_list(SCHEMAS)}) and exists (select from pg_class where relnamespace = n.oid) order by 1"
    )
    if foreign := [name for name, comment in found if not comment.startswith(MARK)]:
        raise PublicationFailed(
            f"the database has a schema {', '.join(foreign)} that `myositis publish` did not make; name another"
            " database, one for this registry alone"
        )
    if found and server.query(f"select to_regclass('{PUBLISHED}') is not null") == [(True,)]:
        others = server.query(
            f"select registry_name from {PUBLISHED} where registry_name <> {_text(content.registry)}"
        )
        if others:
            raise PublicationFailed(
                f'the database holds releases of another registry, "{others[0][0]}"; name another database, one for this'
                " registry alone; or, if the registry got a new name, drop the schemas"
                f" {', '.join(SCHEMAS)} and publish again"
            )


def _shapes(server: Server) -> dict[tuple[str, str], dict[str, str]]:
    """The columns of each table that is there, with PostgreSQL's types."""
    rows = server.query(
        "select n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)"
        " from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        f" where n.nspname in ({_list(SCHEMAS)}) and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped"
    )
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in rows:
        found.setdefault((schema, table), {})[column] = kind.replace(" without time zone", "")
    return found


def _widen(server: Server, tables: Iterable[Table]) -> None:
    """Give a table that is there the columns that a newer program has, and let go of those that are gone.

    Each table is a transaction of its own: whoever holds one lock and wants no other makes no deadlock.
    """
    there = _shapes(server)
    for table in tables:
        shape = there.get((table.schema, table.name))
        if shape is None:
            continue
        wanted = {c.name: c.type for c in table.columns}
        changes = [f'add column "{n}" {t}' for n, t in wanted.items() if n not in shape]
        changes += [f'drop column "{n}"' for n in shape if n not in wanted]
        changes += [
            f'alter column "{n}" type {t} using null' for n, t in wanted.items() if shape.get(n, t) != t
        ]
        if changes:
            with server.transaction():
                server.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
                server.execute(f"alter table {table.full_name} {', '.join(changes)}")


def _make_missing(server: Server, tables: Iterable[Table], content: Content, readers: str) -> None:
    """Schemas, tables, keys, indexes, the role that may read them, and where rows come in; nobody sees that
    before it is dropped again.
    """
    if server.query(f"select 1 from pg_roles where rolname = {_text(readers)}") == []:
        server.execute(f'create role "{readers}" nologin')
    kind = "SYNTHETIC DATA" if content.is_synthetic else "patients' data, not for publication"
    mark = _text(f"{MARK}: {content.registry}; {kind}")
    schemas = dict(
        server.query(
            "select nspname::text, obj_description(oid, 'pg_namespace') = " + mark + " from pg_namespace"
        )
    )
    for schema in SCHEMAS:
        if schema not in schemas:
            server.execute(f"create schema {schema}")
        if not schemas.get(schema):
            server.execute(f"comment on schema {schema} is {mark}")
    server.execute(f'grant usage on schema {", ".join(SCHEMAS)} to "{readers}"')
    there = _shapes(server)
    for table in tables:
        if (table.schema, table.name) not in there:
            server.execute(_create(table))
    server.execute(
        f"create schema {INCOMING}; "
        + "; ".join(f'create unlogged table {INCOMING}."{_incoming(t)}" (like {t.full_name})' for t in tables)
    )
    may_not = server.query(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        f" where n.nspname in ({_list(SCHEMAS)}) and c.relkind = 'r'"
        f" and not has_table_privilege({_text(readers)}, c.oid, 'select')"
    )
    if may_not:
        server.execute(f'grant select on {", ".join(name for (name,) in may_not)} to "{readers}"')


def _create(table: Table) -> str:
    columns = [f'"{c.name}" {c.type}' for c in table.columns]
    if table.key:
        columns.append(f"primary key ({_names(table.key)})")
    names = {c.name for c in table.columns}
    indexes = [i for i in INDEXED if names.issuperset(i) and i != table.key[: len(i)]]
    return "; ".join(
        [
            f"create table {table.full_name} ({', '.join(columns)})",
            *(f"create index on {table.full_name} ({_names(columns)})" for columns in indexes),
        ]
    )


def _take_over(server: Server, table: Table) -> None:
    """Make a table hold the rows that came in. Where it has a key, a row that stays as it was is left alone:
    of two releases most rows are the same, and each that is written anew leaves a dead one behind.
    """
    incoming = f'{INCOMING}."{_incoming(table)}"'
    if not table.key:
        server.execute(
            f"delete from {table.full_name}; insert into {table.full_name} select * from {incoming}"
        )
        return
    same = " and ".join(f'i."{c}" = t."{c}"' for c in table.key)
    server.execute(
        f"delete from {table.full_name} as t where not exists"
        f" (select from {incoming} as i where {same} and i is not distinct from t);"
        f" insert into {table.full_name} select * from {incoming} as i"
        f" where not exists (select from {table.full_name} as t where {same})"
    )


def _incoming(table: Table) -> str:
    return f"{table.schema}_{table.name}"


def _copy(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: dict[tuple[str, str], dict[str, str]]
) -> int:
    """Copy a table's rows beside it; what the release lacks stays empty. Returns their number."""
    kinds = columns.get((table.schema, table.name))
    if not kinds:
        return 0
    own = [c for c in table.columns if c.name in kinds]
    values = ", ".join(_value(c, kinds[c.name]) for c in own)
    (written,) = connection.execute(
        f'insert into {SERVER}.{INCOMING}."{_incoming(table)}" ({_names(c.name for c in own)})'
        f" select {values} from {FILE}.{table.full_name}"
    ).fetchall()
    return int(written[0])


def _value(column: Column, kind: str) -> str:
    """A column in its listed type. A number that has a fraction where none is listed is an error, and is not
    rounded.
    """
    name = f'"{column.name}"'
    if column.type in ("bigint", "integer") and kind == "DOUBLE":
        fault = f"error('{column.name} is listed as a whole number and holds another')"
        return f"case when {name} <> trunc({name}) then {fault} else {name} end::{column.type}"
    return f"{name}::{column.type}"


def _name_release(server: Server, content: Content) -> None:
    server.execute(f"delete from {PUBLISHED}")
    values = (
        _text(content.release_id),
        _text(content.registry),
        str(content.is_synthetic).lower(),
        _text(content.made_at),
        "now()",
        _text(content.sha256),
    )
    server.execute(f"insert into {PUBLISHED} values ({', '.join(values)})")


def _comments(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]
) -> dict[tuple[str, str, str | None], str]:
    """What the release says of each table and column, by schema, table and column."""
    rows = connection.execute(
        "select schema_name, table_name, null, comment from duckdb_tables() where database_name = $1 and comment <> ''"
        " union all select schema_name, view_name, null, comment from duckdb_views() where database_name = $1 and comment <> ''"
        " union all select schema_name, table_name, column_name, comment from duckdb_columns()"
        " where database_name = $1 and comment <> ''",
        [FILE],
    ).fetchall()
    known = {(t.schema, t.name, c) for t in tables for c in (None, *(c.name for c in t.columns))}
    found = {(s, t, c): comment for s, t, c, comment in rows if (s, t, c) in known}
    return found | {("release", t, c): comment for (t, c), comment in COMMENTS.items()}


def _describe(server: Server, comments: dict[tuple[str, str, str | None], str]) -> None:
    """Write the comments that differ from those that are there."""
    there = {
        (schema, table, column): comment
        for schema, table, column, comment in server.query(
            "select n.nspname::text, c.relname::text, a.attname::text, d.description from pg_description d"
            " join pg_class c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass"
            " join pg_namespace n on n.oid = c.relnamespace"
            " left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0"
            f" where n.nspname in ({_list(SCHEMAS)})"
        )
    }
    said = []
    for (schema, table, column), comment in comments.items():
        if there.get((schema, table, column)) != comment:
            what = f'table {schema}."{table}"' if column is None else f'column {schema}."{table}"."{column}"'
            said.append(f"comment on {what} is {_text(comment)}")
    server.execute("; ".join(said))


def _drop_gone(server: Server, tables: Iterable[Table]) -> None:
    """Remove tables that no release has any more. One that a person's view reads stays until that is gone."""
    wanted = {(t.schema, t.name) for t in tables}
    for schema, name in sorted(_shapes(server).keys() - wanted):
        with suppress(duckdb.Error), server.transaction():
            server.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            server.execute(f'drop table {schema}."{name}"')


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
            f"{a.told}: the server does not know the user {a.user}; the server's administrator makes one with:"
            f' create role "{a.user}" login'
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
        "the database system is (starting up|shutting down)|in recovery mode|terminating connection|server closed the"
        " connection|connection (to server was )?lost",
        lambda a, r: f"{a.told}: the server went away or is starting; try again when it is up",
    ),
    (
        "Unable to connect|could not translate host name|[Cc]onnection refused|timeout expired|No route to host"
        "|No such file or directory|Network is unreachable",
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
            f"{a.told}: the user {a.user} may not make the role {r}, which reads what is published; the server's"
            f' administrator makes it once with: create role "{r}" nologin'
        ),
    ),
    (
        "permission denied|must be owner",
        lambda a, r: (
            f"{a.told}: the user {a.user} may not write there; the database's owner allows it with:"
            f' grant create on database "{a.database}" to "{a.user}"; if somebody else'
            f" published there before, first drop what they published: drop schema {', '.join(SCHEMAS)} cascade"
        ),
    ),
    (
        "No space left on device|could not extend file|could not write|disk full",
        lambda a, r: f"{a.told}: the server's disk is full; make room there, and publish again",
    ),
    (
        "lock timeout|deadlock detected",
        lambda a, r: (
            f"{a.told}: a table gets a new shape, and somebody has been reading it for {LOCK_SECONDS} s; publish"
            " again when the query has ended"
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
def _told(address: Address, readers: str) -> Iterator[None]:
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


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _list(values: Iterable[str]) -> str:
    return ", ".join(_text(v) for v in values)


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{c}"' for c in columns)
