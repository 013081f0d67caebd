"""A release in PostgreSQL: the same numbers, for twenty readers at once, and nothing half written.

Each test that publishes has a database of its own. The releases are small files, made by hand; two tests
publish the shipped registry's.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest

from orchestration.command import cli, flow
from orchestration.outward import publication
from orchestration.outward.columns import held, listed, unlisted
from orchestration.outward.postgresql import publish
from orchestration.outward.postgresql_server import Content, PublicationFailed
from orchestration.registry.folder import Registry, load_registry
from orchestration.registry.publish import READERS, read_address
from orchestration.resources import point_at
from orchestration.situation import Situation
from tests.postgresql import OWNER, PASSWORD, Postgres, started
from tests.registries import copy_as_it_stands

PATIENTS = 500


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with started() as server:
        yield server


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"d{abs(hash(request.node.name))}"
    postgres.ask(f"create database {name} owner {OWNER}", "postgres")
    yield name


def release(folder: Path, name: str, *, results: bool = True, note: str = "'x'") -> Content:
    """A release of some patients and one table of results. Without ``results`` it holds no such table, as a
    study does that asks nothing of the kind; where all values are missing DuckDB's type is another.
    """
    path = folder / f"{name}.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema release; create schema results; create schema quality")
        connection.execute(
            "create table release.dim_patient as select 'north' as hospital_id, i::varchar as patient_key,"
            f" '{name}' as delivery_id, 2001::bigint as birth_year from range({PATIENTS}) as r(i)"
        )
        connection.execute(
            "create table release.fct_visit as select 'v' || i as visit_key, 'north' as hospital_id, i::varchar as patient_key,"
            f" '{name}' as delivery_id, {note} as visit_label from range({PATIENTS}) as r(i)"
        )
        connection.execute("comment on table release.fct_visit is 'Visits. One row per visit_key.'")
        connection.execute("comment on column release.fct_visit.visit_key is 'It''s the key.'")
        if results:
            connection.execute(
                f"create table results.study as select 'nxp2' as study_id, '{name}' as release_id"
            )
            connection.execute(
                "create table results.model as select 'nxp2' as study_id, 'm' as model_id, 3.0::double as n_events, null as note"
            )
    return Content(path, name, "North", True, "2026-01-01", "0" * 64)


def test_everything_of_a_release_stands_in_postgresql_with_the_same_numbers(
    shipped_folder: Path, tmp_path: Path, postgres: Postgres, database: str
) -> None:
    registry = copy_as_it_stands(shipped_folder, tmp_path / "registry")
    made = publication.publish_current(registry, read_address(postgres.address(database)))
    assert made.unlisted == ()
    with (
        closing(duckdb.connect(str(registry.releases / "current.duckdb"), read_only=True)) as file,
        postgres.connect(database) as server,
    ):
        columns = held(file, "current")
        for (schema, table), own in columns.items():
            of_file = Counter(_plain(file.execute(f"select {_listed(own)} from {schema}.{table}").fetchall()))
            there = server.execute(f'select {_listed(own)} from {schema}."{table}"').fetchall()
            assert Counter(_plain(there)) == of_file, f"{schema}.{table}"


def test_every_column_says_in_postgresql_what_it_says_in_the_release(
    shipped_folder: Path, tmp_path: Path, postgres: Postgres, database: str
) -> None:
    registry = copy_as_it_stands(shipped_folder, tmp_path / "registry")
    publication.publish_current(registry, read_address(postgres.address(database)))
    there = postgres.ask(
        "select n.nspname || '.' || c.relname, a.attname::text, col_description(c.oid, a.attnum) from pg_attribute a"
        " join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname in ('release', 'results', 'quality') and c.relkind = 'r' and a.attnum > 0",
        database,
    )
    told = {(table, column): comment for table, column, comment in there}
    with closing(duckdb.connect(str(registry.releases / "current.duckdb"), read_only=True)) as file:
        sent = file.execute(
            "select schema_name || '.' || table_name, column_name, comment from duckdb_columns() where not internal"
        ).fetchall()
    assert len(sent) > 900
    assert [place for *place, comment in sent if told[tuple(place)] != comment or not comment] == []


def _listed(columns: dict[str, str]) -> str:
    return ", ".join(f'"{c}"' for c in columns)


def _plain(rows: list[tuple]) -> list[tuple]:
    return [tuple(float(v) if isinstance(v, int | float) else v for v in row) for row in rows]


def test_a_release_names_itself_and_carries_comments_keys_and_indexes(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    publish(release(tmp_path, "r1"), read_address(postgres.address(database)), READERS)
    assert postgres.ask("select release_id, registry_name, synthetic from release.publication", database) == [
        ("r1", "North", True)
    ]
    assert postgres.ask("select obj_description('release.fct_visit'::regclass)", database) == [
        ("Visits. One row per visit_key.",)
    ]
    assert postgres.ask("select col_description('release.fct_visit'::regclass, 1)", database) == [
        ("It's the key.",)
    ]
    indexes = postgres.ask(
        "select indexdef from pg_indexes where tablename = 'fct_visit' order by 1", database
    )
    assert [i.split(" USING ")[1] for (i,) in indexes] == [
        "btree (hospital_id, patient_key)",
        "btree (patient_id)",
        "btree (visit_key)",
    ]
    ((comment,),) = postgres.ask("select obj_description('release'::regnamespace)", database)
    assert "SYNTHETIC DATA" in comment


def test_the_readers_role_reads_everything_and_writes_nothing(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    publish(release(tmp_path, "r1"), read_address(postgres.address(database)), READERS)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        postgres.ask("select * from release.dim_patient", database, "reader")
    postgres.ask(f"grant {READERS} to reader", database)
    for table in listed():
        postgres.ask(f"select * from {table.full_name} limit 1", database, "reader")
    for attempt in (
        "delete from release.dim_patient",
        "create table release.own (i int)",
        "drop schema results",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            postgres.ask(attempt, database, "reader")


def test_columns_keep_their_types_when_a_release_has_no_value_or_no_table(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    address = read_address(postgres.address(database))
    types = (
        "select table_schema, table_name, column_name, data_type from information_schema.columns"
        " where table_schema in ('release', 'results', 'quality') order by 1, 2, 3"
    )
    seen = []
    for content in (
        release(tmp_path, "full"),
        release(tmp_path, "bare", results=False, note="null"),
        release(tmp_path, "full2"),
    ):
        publish(content, address, READERS)
        seen.append(postgres.ask(types, database))
    assert seen[0] == seen[1] == seen[2]
    assert ("results", "model", "n_events", "bigint") in seen[0]


def test_a_number_with_a_fraction_where_whole_ones_are_listed_is_refused_and_not_rounded(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    content = release(tmp_path, "r1")
    with duckdb.connect(str(content.file)) as connection:
        connection.execute("update results.model set n_events = 2.5")
    with pytest.raises(PublicationFailed, match="n_events is listed as a whole number"):
        publish(content, read_address(postgres.address(database)), READERS)
    assert postgres.ask("select count(*) from pg_namespace where nspname = 'release'", database) == [(0,)]


READ = (
    "select p.release_id, min(d.delivery_id), max(d.delivery_id), min(v.delivery_id), max(v.delivery_id), count(*)"
    " from release.publication as p cross join (release.dim_patient as d join release.fct_visit as v"
    " using (hospital_id, patient_key)) group by 1"
)


def test_twenty_readers_with_prepared_statements_see_whole_releases_and_no_error(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    """Ten ask one statement again and again; ten ask two in a transaction at REPEATABLE READ; a view of an
    analyst's reads on. Every second release lacks a table and values.
    """
    address = read_address(postgres.address(database))
    publish(release(tmp_path, "r0"), address, READERS)
    postgres.ask("create view public.own as select * from release.fct_visit", database)
    ended, seen, faults = threading.Event(), Counter(), []

    def read(is_transaction: bool) -> None:
        with postgres.connect(database, autocommit=not is_transaction) as connection:
            if is_transaction:
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not ended.is_set():
                try:
                    rows = connection.execute(READ, prepare=True).fetchall()
                    again = connection.execute(
                        "select distinct delivery_id from public.own", prepare=True
                    ).fetchall()
                    notes = connection.execute(
                        "select note, n_events from results.model", prepare=True
                    ).fetchall()
                    connection.commit()
                except psycopg.Error as error:
                    faults.append(f"failed: {error}")
                    return
                ((name, *others, n),) = rows
                is_whole = {*others} == {name} and n == PATIENTS and len(again) == 1
                if is_transaction:
                    is_whole = is_whole and again == [(name,)] and len(notes) == (name[-1] in "02468")
                if not is_whole:
                    faults.append(f"torn: {rows} {again} {notes}")
                seen[name] += 1

    readers = [threading.Thread(target=read, args=(i % 2 == 0,)) for i in range(20)]
    for reader in readers:
        reader.start()
    for i in range(1, 7):
        is_full = i % 2 == 0
        publish(
            release(tmp_path, f"r{i}", results=is_full, note="'x'" if is_full else "null"), address, READERS
        )
    ended.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert len(seen) > 3 and sum(seen.values()) > 100


def test_a_publication_that_fails_midway_leaves_the_last_one(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    address = read_address(postgres.address(database))
    publish(release(tmp_path, "r1"), address, READERS)
    broken = release(tmp_path, "r2")
    with duckdb.connect(str(broken.file)) as connection:
        connection.execute("insert into release.fct_visit select * from release.fct_visit limit 1")
    with pytest.raises(PublicationFailed, match="duplicate key") as failed:
        publish(broken, address, READERS)
    assert "v0" not in str(failed.value)
    assert postgres.ask("select to_regnamespace('myositis_incoming')", database) == [(None,)]
    assert postgres.ask(READ, database) == [("r1", "r1", "r1", "r1", "r1", PATIENTS)]
    publish(release(tmp_path, "r3"), address, READERS)
    assert postgres.ask("select release_id from release.publication", database) == [("r3",)]


def test_a_row_that_stays_as_it_was_is_left_alone_and_one_that_changed_or_went_is_not(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    """Otherwise each release would leave a dead copy of every row."""
    address = read_address(postgres.address(database))
    content = release(tmp_path, "r1")
    publish(content, address, READERS)
    written = dict(postgres.ask("select visit_key, xmin::text from release.fct_visit", database))
    with duckdb.connect(str(content.file)) as connection:
        connection.execute("update release.fct_visit set visit_label = 'y' where visit_key = 'v1'")
        connection.execute("update release.fct_visit set visit_label = null where visit_key = 'v2'")
        connection.execute("delete from release.fct_visit where visit_key = 'v3'")
    publish(replace(content, release_id="r2"), address, READERS)
    found = postgres.ask("select visit_key, visit_label, xmin::text from release.fct_visit", database)
    assert {key: label for key, label, _ in found if label != "x"} == {"v1": "y", "v2": None}
    assert written.keys() - {key for key, *_ in found} == {"v3"}
    assert {key for key, _, xmin in found if written[key] != xmin} == {"v1", "v2"}
    assert postgres.ask("select release_id from release.publication", database) == [("r2",)]


def test_a_newer_program_widens_a_table_and_lets_go_of_what_is_gone(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    address = read_address(postgres.address(database))
    publish(release(tmp_path, "r1"), address, READERS)
    postgres.ask(
        'alter table release.fct_visit drop column nominal_month; alter table release.fct_visit add column "older" int;'
        " alter table release.fct_visit alter column visit_date type text;"
        f" create table release.gone (i int); alter table release.gone owner to {OWNER}",
        database,
    )
    publish(release(tmp_path, "r2"), address, READERS)
    columns = dict(
        postgres.ask(
            "select column_name::text, data_type::text from information_schema.columns where table_name = 'fct_visit'",
            database,
        )
    )
    assert columns["nominal_month"] == "double precision" and columns["visit_date"] == "date"
    assert "older" not in columns
    assert postgres.ask("select to_regclass('release.gone')", database) == [(None,)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("password", "refused the password"),
        ("database", "has no database nowhere"),
        ("port", "no server answers"),
        ("rights", "grant create on database"),
        ("role", "create role .* nologin"),
        ("foreign", "did not make"),
        ("other", "another registry"),
        ("standby", "takes no writes"),
    ],
)
def test_a_server_that_does_not_let_in_or_take_is_told_with_the_remedy(
    change: str,
    sentence: str,
    tmp_path: Path,
    postgres: Postgres,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, readers = postgres.address(database), READERS
    content = release(tmp_path, "r1")
    match change:
        case "password":
            monkeypatch.setenv("PGPASSWORD", "another-secret")
        case "database":
            address = postgres.address("nowhere")
        case "port":
            address = "postgresql://publisher@127.0.0.1:1/registry"
        case "rights":
            address = postgres.address(database, "reader")
            publish(release(tmp_path, "r0"), read_address(postgres.address("registry")), READERS)
        case "role":
            address, readers = postgres.address(database, "reader"), "not_made_yet"
        case "foreign":
            postgres.ask("create schema results; create table results.own (i int)", database)
        case "other":
            publish(Content(content.file, "r0", "South", True, "", ""), read_address(address), READERS)
        case "standby":
            postgres.ask(f"alter database {database} set default_transaction_read_only = on", "postgres")
    with pytest.raises(PublicationFailed, match=sentence) as failed:
        publish(content, read_address(address), readers)
    assert PASSWORD not in str(failed.value) and "another-secret" not in str(failed.value)


def test_a_connection_by_network_is_encrypted(tmp_path: Path, postgres: Postgres, database: str) -> None:
    address = read_address(f"postgresql://{OWNER}@127.0.0.1:{postgres.port}/{database}?sslmode=require")
    postgres.ask("alter system set log_connections = on", "postgres")
    postgres.ask("select pg_reload_conf()", "postgres")
    publish(release(tmp_path, "r1"), address, READERS)
    log = (postgres.folder / "log").read_text(encoding="utf-8")
    assert f"user={OWNER} database={database} application_name=myositis publish SSL enabled" in log
    verified = read_address(f"postgresql://{OWNER}@127.0.0.1:{postgres.port}/{database}?sslmode=verify-full")
    with pytest.raises(PublicationFailed, match="TLS"):
        publish(release(tmp_path, "r2"), verified, READERS)


# the registry's own database: after each release, recorded, tried again


@pytest.fixture
def publishing(shipped_folder: Path, tmp_path: Path, postgres: Postgres, database: str) -> Registry:
    folder = copy_as_it_stands(shipped_folder, tmp_path / "registry").folder
    with (folder / "registry.yml").open("a") as file:
        file.write(f"publish: {{to: '{postgres.address(database)}'}}\n")
    registry = load_registry(folder)
    point_at(registry)
    return registry


def test_a_run_publishes_what_is_outstanding_tells_what_fails_and_tries_again(
    publishing: Registry,
    postgres: Postgres,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(flow, "look", lambda registry: Situation((), (), (), (), (), ()))
    monkeypatch.setattr(flow, "needs_build", lambda registry: False)
    with monkeypatch.context() as patched:
        patched.setenv("PGPASSWORD", "wrong")
        for attempt in (1, 2):
            (refusal,) = flow.run_all(publishing).refusals
            assert f"attempt {attempt} failed" in refusal.sentence()
            assert "refused the password" in refusal.sentence()
    kept = publishing.publication_record.read_text()
    assert "wrong" not in kept and PASSWORD not in kept
    assert publishing.publication_record.stat().st_mode & 0o077 == 0
    release_id = json.loads((publishing.releases / "current.duckdb").resolve().with_suffix(".json").read_text())[
        "release_id"
    ]  # fmt: skip
    told = publication.told(publishing)
    assert told is not None and told.startswith(f"not published: {release_id}")
    assert flow.run_all(publishing).refusals == ()
    assert (publication.told(publishing) or "").startswith(f"published: {release_id}")
    assert postgres.ask("select release_id from release.publication", database) == [(release_id,)]
    assert cli.guarded(
        lambda: cli.app(["status", "--registry", str(publishing.folder)], standalone_mode=False)
    ) == 0  # fmt: skip
    assert f"published: {release_id} in postgresql://{OWNER}@" in capsys.readouterr().out


def test_dagster_publishes_behind_the_release_and_a_failure_ends_no_build(
    publishing: Registry, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from orchestration import automation
    from orchestration.outward.assets import POSTGRESQL, PUBLISH, publication_asset

    definitions = dg.Definitions(
        assets=[publication_asset()], jobs=[automation.publish_job(), dg.define_asset_job("build", "*")]
    )
    with dg.DagsterInstance.ephemeral() as instance:

        def execute(job: str, **more: object) -> dg.ExecuteInProcessResult:
            return definitions.resolve_job_def(job).execute_in_process(
                instance=instance,
                raise_on_error=False,
                **more,  # type: ignore[arg-type]
            )

        with monkeypatch.context() as patched:
            patched.setenv("PGPASSWORD", "wrong")
            assert execute("build").success  # the release stands; the failure is recorded
            (asked,) = automation.release_to_publish(publishing, instance).asked
            assert asked.job_name == PUBLISH
            assert not execute(PUBLISH, tags=dict(asked.tags)).success  # counted as an attempt
        waiting = automation.release_to_publish(publishing, instance)
        assert waiting.asked == [] and "attempt 1 of 6 failed" in waiting.told[0]
        assert PASSWORD not in waiting.told[0] and "wrong" not in waiting.told[0]
        (at_night,) = automation.release_to_publish(publishing, instance, at_night=True).asked
        assert execute(PUBLISH, tags=dict(at_night.tags)).success
        assert instance.get_latest_materialization_event(POSTGRESQL) is not None
        assert automation.release_to_publish(publishing, instance).is_final
    assert postgres.ask("select count(*) from release.publication", database) == [(1,)]


def test_the_command_tells_what_to_do_and_ends_with_2(
    shipped_folder: Path,
    tmp_path: Path,
    postgres: Postgres,
    database: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry = copy_as_it_stands(shipped_folder, tmp_path / "registry")

    def call(*arguments: str) -> tuple[int, str]:
        code = cli.guarded(
            lambda: (
                cli.app(["publish", "--registry", str(registry.folder), *arguments], standalone_mode=False)
                or 0
            )
        )
        said = capsys.readouterr()
        return code, said.out + said.err

    assert call()[0] == 2  # no database is named
    code, said = call("--to", f"postgresql://p:{PASSWORD}@db/registry")
    assert code == 2 and "must not hold a password" in said and PASSWORD not in said
    code, said = call("--to", postgres.address("nowhere"))
    assert code == 2 and "has no database nowhere" in said and PASSWORD not in said
    code, said = call("--to", postgres.address(database))
    assert code == 0 and "published: r" in said
    file = (registry.releases / "current.duckdb").resolve()
    file.chmod(0o600)
    file.write_bytes(b"damaged")
    code, said = call("--to", postgres.address(database))
    assert code == 2 and "is damaged" in said


def test_every_column_of_the_shipped_release_is_listed(shipped_folder: Path) -> None:
    """If it is not: python -m orchestration.outward.columns RELEASE.duckdb"""
    with closing(
        duckdb.connect(str(shipped_folder / "release" / "current.duckdb"), read_only=True)
    ) as connection:
        assert unlisted(held(connection, "current")) == []
