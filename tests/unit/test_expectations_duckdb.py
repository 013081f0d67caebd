"""Great Expectations on a DuckDB file: what it must be given, what it leaves behind, what it gives away.

The first three tests fail when a part of `expectations/duckdb_in_gx.py` is no longer needed; then delete it.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from expectations import load_suite, run_suite
from expectations.suite import COLUMN_EXPECTATIONS, EXPECTATIONS, ROWS

SUITE = """\
suite: small
layer: raw
schema: main
description: A suite to try.
tables: [results]
rules:
  - id: value_short
    table: results
    column: value_text
    expectation: expect_column_value_lengths_to_be_between
    kwargs: {max_value: 5}
    severity: blocking
    means: Results are short.
    note: five characters.
  - id: value_known
    table: results
    column: value_text
    expectation: expect_column_values_to_be_in_set
    kwargs: {value_set: [known]}
    per: hospital
    severity: blocking
    means: Results are known.
  - id: value_unique
    table: results
    column: [hospital_id, value_text]
    expectation: expect_compound_columns_to_be_unique
    severity: blocking
    means: Results differ.
  - id: value_is_number
    table: results
    expectation: unexpected_rows_expectation
    rows: select value_text::integer < 0 as is_unexpected from {results}
    severity: blocking
    means: Results are numbers.
  - id: column_there
    table: results
    column: value_txt
    expectation: expect_column_values_to_not_be_null
    severity: blocking
    means: Results are there.
  - id: table_there
    table: results
    expectation: unexpected_rows_expectation
    rows: select no_such_column as is_unexpected from {results}
    severity: blocking
    means: Results are there.
"""
PLANTED = "ZHANG-SAN-13912345678"  # a patient's value that must come out nowhere


@pytest.fixture
def database(tmp_path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute(
        "create table results as select * from"
        f" (values ('north', '{PLANTED}'), ('north', '{PLANTED}'), ('south', 'known')) as t"
        " (hospital_id, value_text)"
    )
    connection.close()
    return path


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "small.yml"
    path.write_text(SUITE)
    return load_suite(path)


def test_great_expectations_still_loses_the_rows_of_duckdb_engines_own_dialect(database):
    from expectations import duckdb_in_gx

    home = duckdb_in_gx.context()
    from great_expectations.expectations import ExpectTableRowCountToEqual

    source = home.data_sources.add_sql("plain", connection_string=f"duckdb:///{database}")
    asset = source.add_query_asset("results", "select * from results")
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    outcome = batch.validate(ExpectTableRowCountToEqual(value=3))
    home.data_sources.delete("plain")

    assert not outcome.success, "SharedDialect need no longer leave transactions out"
    assert "list index out of range" in str(outcome.exception_info)


def test_duckdb_engine_still_signs_its_connections(database):
    import sqlalchemy

    ours = duckdb.connect(str(database))
    try:
        with pytest.raises(sqlalchemy.exc.OperationalError, match="different configuration"):
            sqlalchemy.create_engine(f"duckdb:///{database}").connect()
    finally:
        ours.close()


def test_great_expectations_still_imports_what_is_put_off():
    from expectations import duckdb_in_gx

    duckdb_in_gx.context()
    from great_expectations.expectations.core import expect_column_kl_divergence_to_be_less_than as module

    assert module.alt.__name__ == "altair"
    assert module.alt.Chart.__name__ == "Chart", "the real library answers once it is asked"
    assert module.stats.__name__ == "scipy.stats"
    assert module.stats.entropy([1.0, 1.0]) == pytest.approx(0.6931472)


def test_what_is_put_off_is_not_imported_for_a_suite_and_can_be_afterwards():
    code = (
        "import sys; from expectations import duckdb_in_gx as d; d.context(); import expectations.counted;"
        " there = [n for n in d.PUT_OFF if n in sys.modules]; import scipy.stats;"
        " sys.exit(1 if there or scipy.stats.norm.cdf(0) != 0.5 else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_file_may_be_open_during_a_run_and_is_free_after_it(database, suite):
    ours = duckdb.connect(str(database))
    run_suite(database, suite)
    ours.execute("insert into results values ('east', 'known')")
    ours.close()

    other = duckdb.connect(str(database), config={"threads": 1})  # refused while any handle is left

    assert other.execute("select count(*) from results").fetchone() == (4,)
    other.close()


def test_a_run_reads_only(database, suite):
    before = database.read_bytes()

    run_suite(database, suite)

    assert database.read_bytes() == before


def test_no_value_of_a_patient_comes_out_of_a_run(database, suite, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        results = run_suite(database, suite)

    assert [r.passed for r in results] == [False, False, True, False, False, False, False]
    assert PLANTED not in repr(results) + caplog.text + "".join(capfd.readouterr())


def test_no_value_of_a_patient_is_in_what_great_expectations_returns(database, suite, monkeypatch):
    from expectations import runner

    returned: list[str] = []
    take = runner._finding

    def keep(result):
        returned.append(str(result.to_json_dict()))
        return take(result)

    monkeypatch.setattr(runner, "_finding", keep)
    computed = suite.model_copy(update={"rules": [r for r in suite.rules if r.id != "value_is_number"]})

    run_suite(database, computed)

    assert len(returned) == 5
    assert PLANTED not in "".join(returned)


def test_a_run_says_nothing_on_its_own(database, suite, capfd):
    run_suite(database, suite)

    assert tuple(capfd.readouterr()) == ("", "")


def test_what_cannot_be_computed_fails_and_says_why_without_quoting_values(database, suite):
    notes = {r.expectation: r.note for r in run_suite(database, suite) if r.observed == "not computed"}

    assert set(notes) == {"value_is_number", "column_there", "table_there"}
    assert "its message is not shown, because it can quote values" in notes["value_is_number"]
    assert 'column "value_txt"' in notes["column_there"]
    assert 'Referenced column "no_such_column" not found' in notes["table_there"]


def test_a_missing_file_is_not_made(tmp_path, suite):
    with pytest.raises(FileNotFoundError, match="build it before its suite small"):
        run_suite(tmp_path / "none.duckdb", suite)

    assert not (tmp_path / "none.duckdb").exists()


def test_great_expectations_knows_every_expectation_that_a_suite_may_name_and_its_arguments():
    from expectations import duckdb_in_gx

    duckdb_in_gx.context()
    from great_expectations.expectations.registry import get_expectation_impl

    for name, arguments in EXPECTATIONS.items():
        kind = get_expectation_impl(name)
        assert set(arguments) <= set(kind.__fields__), name
        assert name == ROWS or ("mostly" in kind.__fields__) == ("row_count" not in name), name


@pytest.mark.parametrize("name", COLUMN_EXPECTATIONS)
def test_a_column_expectation_counts_the_same_per_group_as_over_the_whole(tmp_path, name):
    arguments = {
        "value_set": "[a, bb]",
        "min_value": "2",
        "max_value": "2",
        "value": "2",
        "strict_min": "false",
        "strict_max": "false",
    }
    column = "number" if name == "expect_column_values_to_be_between" else "word"
    given = ", ".join(f"{a}: {arguments[a]}" for a in COLUMN_EXPECTATIONS[name])
    rule = f"""
    table: things
    column: {column}
    expectation: {name}
    kwargs: {{{given}}}
    mostly: 0.9
    severity: warning
    means: Things are as expected.
    note: nine in ten.
"""
    (tmp_path / "both.yml").write_text(
        SUITE.split("rules:")[0].replace("results", "things")
        + f"rules:\n  - id: whole{rule}  - id: each_hospital{rule}    per: hospital\n"
    )
    path = tmp_path / "things.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute(
        "create table things as from (values ('north', 'a', 1), ('north', 'bb', 2), ('north', null, null),"
        " ('north', 'ccc', 3)) as t (hospital_id, word, number)"
    )
    connection.close()

    whole, hospital = run_suite(path, load_suite(tmp_path / "both.yml"), today=date(2024, 1, 1))

    assert (whole.observed, whole.passed) == (hospital.observed, hospital.passed)
    assert "%" in whole.observed


def test_great_expectations_sends_nothing_out(database, suite, monkeypatch):
    """No telemetry and no look for a newer version: with every connection refused a run ends as usual."""
    from expectations import duckdb_in_gx

    tried: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: tried.append(address))
    duckdb_in_gx.context.cache_clear()

    run_suite(database, suite)

    assert duckdb_in_gx.context().config.analytics_enabled is False
    assert tried == []
