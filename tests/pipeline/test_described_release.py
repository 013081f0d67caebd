"""A release says what its tables and columns mean."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
import yaml

from analytics.study.result_columns import IN_EVERY_TABLE, IN_ONE_TABLE
from analytics.study.result_tables import RESULT_TABLES
from orchestration.registry.folder import Registry
from tests.registries import release_query

MODELS = Path(__file__).parents[2] / "dbt_project" / "models"


@pytest.fixture(scope="module")
def comments(shipped_run: Registry) -> dict[tuple[str, str | None], str | None]:
    """The comment of every table (column None) and column of the release."""
    rows = release_query(
        shipped_run,
        "select schema_name || '.' || table_name, column_name, comment from duckdb_columns() where not internal"
        " union all select schema_name || '.' || table_name, null, comment from duckdb_tables()"
        " union all select schema_name || '.' || view_name, null, comment from duckdb_views() where not internal",
    )
    return {(table, column): comment for table, column, comment in rows}


def documented(folder: str) -> dict[tuple[str, str | None], str]:
    """The descriptions in the YAML of a layer, with the words of columns.md in place."""
    words = dict(
        re.findall(
            r"{% docs (\w+) %}\n(.*?)\n{% enddocs %}", (MODELS / "columns.md").read_text("utf-8"), re.DOTALL
        )
    )
    found: dict[tuple[str, str | None], str] = {}
    for model in yaml.safe_load((MODELS / folder / f"_{folder}.yml").read_text("utf-8"))["models"]:
        table = model["name"].removeprefix("quality_")
        found[table, None] = model["description"]
        for column in model["columns"]:
            doc = re.fullmatch(r"{{ doc\('(\w+)'\) }}", column["description"])
            found[table, column["name"]] = words[doc[1]] if doc else column["description"]
    return found


def test_every_table_and_column_of_a_release_carries_a_comment(
    comments: dict[tuple[str, str | None], str | None],
) -> None:
    assert len(comments) > 900
    assert {table.split(".")[0] for table, _ in comments} == {"release", "results", "quality"}
    assert [place for place, comment in comments.items() if not comment] == []


def test_the_comments_are_the_sentences_that_dbt_documents(
    comments: dict[tuple[str, str | None], str | None],
) -> None:
    for folder, schema in (("marts", "release"), ("quality", "quality")):
        said = documented(folder)
        held = {
            (table.split(".")[1], column): comment
            for (table, column), comment in comments.items()
            if table.startswith(f"{schema}.")
        }
        both = held.keys() & said.keys()
        assert len(both) > 60
        assert {place: held[place] for place in both} == {place: said[place] for place in both}


def test_the_comments_of_results_are_those_of_their_declaration(
    comments: dict[tuple[str, str | None], str | None],
) -> None:
    for table in RESULT_TABLES:
        assert comments[f"results.{table.name}", None] == table.description
    assert comments["results.survival_curve", "std_error"] == IN_ONE_TABLE["survival_curve"]["std_error"]
    assert comments["results.cox_term", "p_value"] == IN_EVERY_TABLE["p_value"]
    there = {(table.removeprefix("results."), column) for table, column in comments}
    stale = [(t, c) for t, said in IN_ONE_TABLE.items() for c in said if (t, c) not in there]
    assert stale == []


def test_a_table_or_column_without_a_sentence_is_passed_over() -> None:
    from orchestration.release.descriptions import Described, describe

    with duckdb.connect() as connection:
        connection.execute("create schema release; create table release.t as select 1 as a, 2 as b")
        describe(
            connection,
            {"release.t": Described("It's a table.", {"a": "One."}), "release.gone": Described("Gone.", {})},
        )
        told = connection.execute(
            "select column_name, comment from duckdb_columns() where table_name = 't'"
        ).fetchall()
        assert told == [("a", "One."), ("b", None)]
