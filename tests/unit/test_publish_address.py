"""The address of the database that gets each release: what it may say, and that no password is ever shown."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest
import yaml

from analytics.study.result_columns import IN_ONE_TABLE
from orchestration.outward.columns import LISTED, SCHEMAS, listed
from orchestration.outward.postgresql_errors import _first_line, told_error
from orchestration.outward.postgresql_server import extension
from orchestration.registry.folder import load_registry
from orchestration.registry.publish import AddressRefused, read_address
from orchestration.resources import DBT_PROJECT
from tests.unit.test_loading import REGISTRY, make_registry
from yaml_files.yaml_file import ConfigurationError

SECRET = "kept-to-myself"


@pytest.mark.parametrize(
    ("text", "sslmode", "told"),
    [
        ("postgresql://p@db.example.org/registry", "require", "postgresql://p@db.example.org/registry"),
        ("postgres://p@db:5433/registry?sslmode=verify-full&sslrootcert=/etc/ca.pem", "verify-full",
         "postgresql://p@db:5433/registry"),
        ("postgresql://p@localhost/registry", "prefer", "postgresql://p@localhost/registry"),
        ("postgresql://p@[::1]:5433/registry", "prefer", "postgresql://p@[::1]:5433/registry"),
        ("postgresql://127.0.0.1/registry?sslmode=disable", "disable", "postgresql://127.0.0.1/registry"),
        ("postgresql:///registry", "prefer", "postgresql:///registry"),
        ("postgresql://p@/registry?host=/run/postgresql", "prefer", "postgresql://p@/registry?host=/run/postgresql"),
    ],
)  # fmt: skip
def test_an_address_asks_for_tls_unless_the_server_is_on_this_machine(
    text: str, sslmode: str, told: str
) -> None:
    address = read_address(text)
    assert (address.sslmode, address.told) == (sslmode, told)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"postgresql://p:{SECRET}@db/registry", "an address must not hold a password"),
        (f"postgresql://p@db/registry?password={SECRET}", "an address must not hold a password"),
        (f"mysql://p:{SECRET}@db/registry", "expected the address of a PostgreSQL database"),
        (f"host=db password={SECRET}", "expected the address of a PostgreSQL database"),
        (f"postgresql://p@db/registry?service={SECRET}", "it has service"),
        (f"postgresql://p:{SECRET}@db:port/registry", "cannot be read as an address"),
        ("postgresql://p@db", "names no database"),
        ("postgresql://p@one,two/registry", "several servers"),
        ("postgresql://p@db/registry?sslmode=prefer", "in the clear"),
        ("postgresql://p@db/registry?sslmode=always", "expected one of require"),
        ("postgresql://p@10.0.0.5/registry?sslmode=disable", "in the clear"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_words(text: str, sentence: str) -> None:
    with pytest.raises(AddressRefused, match=sentence) as refused:
        read_address(text)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("to", [f"postgresql://p:{SECRET}@db/registry", f"mysql://p:{SECRET}@db/registry"])
def test_a_fault_of_registry_yml_names_the_key_and_shows_no_password(tmp_path: Path, to: str) -> None:
    make_registry(tmp_path)
    (tmp_path / "registry.yml").write_text(f"{REGISTRY}publish: {{to: '{to}'}}\n")
    with pytest.raises(ConfigurationError) as error:
        load_registry(tmp_path)
    (fault,) = error.value.faults
    assert "publish" in fault and "address" in fault
    assert SECRET not in fault


def test_an_address_leads_a_quote_and_a_backslash_whole_to_libpq() -> None:
    address = read_address(r"postgresql://o%27brien@db/the%20registry")
    assert r"user='o\'brien'" in address.connection_string()
    assert "dbname='the registry'" in address.connection_string()


def test_only_the_first_line_of_an_error_is_told_and_no_value_of_a_row() -> None:
    text = (
        'Failed to copy data: ERROR:  duplicate key value violates unique constraint "dim_patient_pkey"\n'
        "DETAIL:  Key (hospital_id, patient_key)=(north, 7f3a) already exists.\nCONTEXT:  COPY dim_patient, line 3"
    )
    assert _first_line(text) == "duplicate key value violates unique constraint"
    assert _first_line('ERROR:  invalid input syntax for type bigint: "1.5"') == (
        "invalid input syntax for type bigint"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('ERROR:  could not extend file "base/1/2": No space left on device', "disk is full"),
        ("FATAL:  sorry, too many clients already", "no connection left"),
        ("ERROR:  canceling statement due to lock timeout", "when the query has ended"),
        ("FATAL:  terminating connection due to administrator command", "went away"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "pg_hba.conf"),
        ("ERROR:  cannot alter type of a column used by a view or rule", "drop that view"),
    ],
)
def test_what_a_server_may_say_has_a_sentence_with_what_to_do(text: str, sentence: str) -> None:
    assert sentence in told_error(text, read_address("postgresql://p@localhost/registry"), "r")


def test_the_extension_of_this_duckdb_lies_in_its_package() -> None:
    assert f"/v{duckdb.__version__}/" in str(extension())


def test_every_listed_column_stands_once_with_a_type_of_postgresql() -> None:
    with LISTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(r["schema"], r["table"], r["column"]) for r in rows}) == len(rows)
    assert {r["schema"] for r in rows} == set(SCHEMAS)
    assert {r["type"] for r in rows} == {
        "text", "boolean", "integer", "bigint", "double precision", "date", "timestamp"}  # fmt: skip


def test_every_column_of_results_that_is_described_is_listed() -> None:
    """A release of a study that asks for less may lack some of them."""
    there = {(t.name, c.name) for t in listed() if t.schema == "results" for c in t.columns}
    assert {(t, c) for t, columns in IN_ONE_TABLE.items() for c in columns} <= there


def test_the_keys_are_those_that_the_models_declare_unique() -> None:
    declared = _declared_keys()
    listed_keys = {t.name: t.key for t in listed() if t.schema == "release" and t.name in declared}
    assert listed_keys == {name: key for name, key in declared.items() if name in listed_keys}
    assert {"dim_patient", "fct_visit", "fct_observation", "fct_event", "fct_treatment"} <= listed_keys.keys()


def _declared_keys() -> dict[str, tuple[str, ...]]:
    """The columns of each mart that dbt tests to be unique together, or alone."""
    text = (DBT_PROJECT / "models" / "marts" / "_marts.yml").read_text(encoding="utf-8")
    found: dict[str, tuple[str, ...]] = {}
    for model in yaml.safe_load(text)["models"]:
        for test in model.get("data_tests", ()):
            if isinstance(test, dict) and "unique_columns" in test:
                found[model["name"]] = tuple(test["unique_columns"]["arguments"]["columns"])
        for column in model["columns"]:
            names = [next(iter(t)) if isinstance(t, dict) else t for t in column.get("data_tests", ())]
            if "unique" in names and model["name"] not in found:
                found[model["name"]] = (column["name"],)
    return found
