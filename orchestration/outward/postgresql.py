"""Writes a release into a PostgreSQL database, by DuckDB's postgres extension.

Belongs here: the transaction, and whom the database belongs to. Does not belong here: one table
(`postgresql_tables.py`), the server's errors (`postgresql_errors.py`), which release and when
(`publication.py`), the types of columns (`columns.py`), the address (`registry/publish.py`).

The tables stay, and one transaction brings them to the release: rows come in beside them, and those that
differ take the place of others. A reader's statement sees all rows of one release; so does a whole
transaction at REPEATABLE READ. Measured with 20 readers while 15 releases were published: a new schema that
takes the name by a rename showed 128 to 139 of some 4,500 such transactions tables of another release, empty
or full; this way showed none. Nor does a view break that an analyst made on a table. A kill, a full disk or a
lost line ends the transaction, and the last publication stands.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from orchestration.outward.columns import SCHEMAS, Column, Table, held, together, unlisted
from orchestration.outward.postgresql_errors import told_as_sentences
from orchestration.outward.postgresql_server import (
    FILE,
    LOCK_SECONDS,
    SERVER,
    Content,
    PublicationFailed,
    Server,
    as_list,
    as_text,
    opened,
)
from orchestration.outward.postgresql_tables import (
    INCOMING,
    MARK,
    comments_of,
    copy_rows,
    describe,
    drop_gone,
    make_missing,
    take_over,
    widen,
)
from orchestration.registry.publish import Address

PUBLISHED = "release.publication"
# a table's rows are compared by hash: a merge by index takes three times as long on two million rows
HASH_JOINS = "set local work_mem = '64MB'; set local enable_mergejoin = off; set local enable_nestloop = off"
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


@dataclass(frozen=True)
class Published:
    """What a publication wrote. ``unlisted``: columns that `columns.csv` lacks; they are text there."""

    release_id: str
    tables: int
    rows: int
    unlisted: tuple[str, ...] = ()


def publish(content: Content, address: Address, readers: str) -> Published:
    """Replace what the database holds by this release, in one transaction. Raises PublicationFailed."""
    with closing(opened(content.file)) as connection, told_as_sentences(address, readers):
        connection.execute(f"attach {as_text(address.connection_string())} as {SERVER} (type postgres)")
        columns = held(connection, FILE)
        tables = (*together(columns), PUBLICATION)
        server = Server(connection)
        _refuse_others(server, content)
        widen(server, tables)
        with server.transaction():
            server.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            server.execute(HASH_JOINS)
            _alone(server)
            make_missing(server, tables, content, readers)
            connection.execute("call pg_clear_cache()")  # or DuckDB would not see the tables just made
            rows = 0
            for table in tables[:-1]:
                rows += copy_rows(connection, table, columns)
                take_over(server, table)
            server.execute(f"drop schema {INCOMING} cascade")
            _name_release(server, content)
            describe(server, comments_of(connection, tables))
            server.execute("; ".join(f"analyze {table.full_name}" for table in tables))
        drop_gone(server, tables)
    return Published(content.release_id, len(tables) - 1, rows, tuple(unlisted(columns)))


def _alone(server: Server) -> None:
    if server.query("select pg_try_advisory_xact_lock(hashtext('myositis publish'))") != [(True,)]:
        raise PublicationFailed(
            "another publication into this database is under way; try again when it has ended"
        )


def _refuse_others(server: Server, content: Content) -> None:
    """Leave alone what somebody else made, and what another registry published."""
    found = server.query(
        "select nspname::text, coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace as n"
        f" where nspname in ({as_list(SCHEMAS)}) and exists (select from pg_class "
        "where relnamespace = n.oid) order by 1"
    )
    if foreign := [name for name, comment in found if not comment.startswith(MARK)]:
        raise PublicationFailed(
            f"the database has a schema {', '.join(foreign)} that `myositis publish` did not make; name "
            "another database, one for this registry alone"
        )
    if found and server.query(f"select to_regclass('{PUBLISHED}') is not null") == [(True,)]:
        others = server.query(
            f"select registry_name from {PUBLISHED} where registry_name <> {as_text(content.registry)}"
        )
        if others:
            raise PublicationFailed(
                f'the database holds releases of another registry, "{others[0][0]}"; name another database, '
                "one for this registry alone; or, if the registry got a new name, drop the schemas "
                f"{', '.join(SCHEMAS)} and publish again"
            )


def _name_release(server: Server, content: Content) -> None:
    server.execute(f"delete from {PUBLISHED}")
    values = (
        as_text(content.release_id),
        as_text(content.registry),
        str(content.is_synthetic).lower(),
        as_text(content.made_at),
        "now()",
        as_text(content.sha256),
    )
    server.execute(f"insert into {PUBLISHED} values ({', '.join(values)})")
