"""What every table and column of a release means, as comments in the file itself.

The sentences are written once: those of the marts and quality tables in the YAML that dbt documents, those of
the results in `analytics/study`. Belongs here: gathering them, the few tables that no model makes, and
putting the comments into the file. Does not belong here: making the tables (`candidate.py`,
`results/compute.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from analytics.study.result_columns import columns_described
from analytics.study.result_tables import RESULT_TABLES
from orchestration.raw.cell_sql import literal
from orchestration.release.free_texts import FREE_TEXTS, WITHHELD
from orchestration.warehouse.dbt import read_manifest


@dataclass(frozen=True)
class Described:
    """The meaning of a table, and of each of its columns."""

    table: str
    columns: Mapping[str, str]


# tables of a release that no model makes; rejected_summary counts rows of quality.rejected_row
NOT_OF_MODELS = {
    "release.release_info": Described(
        "This release. One row.",
        {
            "release_id": "Id of the release: a hash of its content.",
            "registry_name": "Name of the registry.",
            "synthetic": "Whether the data are invented; then no number is about a person.",
            "small_cell_threshold": "Counts of persons below it are masked in what leaves the house.",
            "dates": "How dates appear in what leaves the house.",
            "versions": "Versions of the libraries that made the release, as JSON.",
        },
    ),
    "release.visit_schedule": Described(
        "Visit schedule of the registry. One row per scheduled visit.",
        {
            "scheduled_visit": "Id of the scheduled visit.",
            "nominal_month": "Month after baseline for which the visit is planned; 0 is baseline.",
            "nominal_day": "Day after the patient's day 0 for which the visit is planned.",
            "from_day": "First day of the window.",
            "to_day": "Last day of the window.",
        },
    ),
    "quality.rejected_summary": Described(
        "Rejected rows, counted; their texts stay in the warehouse. One row per delivery, file, sheet, "
        "entity, rule and column.",
        {"rows": "Faults."},
    ),
    "quality.check_result": Described(
        "Expectations of the gates and what they found, in counts. One row per scope, expectation and "
        "hospital.",
        {
            "scope": "`marts`, or the load that was checked.",
            "suite": "Suite of expectations: raw or marts.",
            "expectation": "Id of the expectation in its suite (expectations/<suite>.yml).",
            "layer": "Layer that was checked.",
            "table_name": "Table that was checked.",
            "column_name": "Columns that were checked; null when the expectation is about the table.",
            "hospital_id": "Hospital that the result is about; null when it is about all.",
            "severity": "blocking (a fault stops the step) or warning.",
            "observed": "What was found, in counts.",
            "threshold": "What is allowed.",
            "passed": "Whether the expectation holds.",
            "waived": "Whether the registry waives it for this hospital.",
            "note": "What the expectation means.",
        },
    ),
}


def of_marts() -> dict[str, Described]:
    """The meaning of every table of schemas release and quality, by ``schema.table``: models, seeds, and what
    no model makes.
    """
    schemas = {"marts": "release", "quality": "quality"}
    found = {
        f"{schemas.get(node['schema'], 'release')}.{node['alias']}": _described(node)
        for node in read_manifest()["nodes"].values()
        if node["resource_type"] == "seed" or (node["resource_type"] == "model" and node["schema"] in schemas)
    }
    for text in FREE_TEXTS:
        mart = found[f"release.{text.mart}"]
        said = (
            f"Whether the hospital sent a text in {text.column} that stays in the warehouse, so that it is "
            "null here."
        )
        found[f"release.{text.mart}"] = Described(
            mart.table, {**mart.columns, f"{text.column}{WITHHELD}": said}
        )
    summary = NOT_OF_MODELS["quality.rejected_summary"]
    inherited = {**found["quality.rejected_row"].columns, **summary.columns}
    return found | NOT_OF_MODELS | {"quality.rejected_summary": Described(summary.table, inherited)}


def of_results() -> dict[str, Described]:
    """The meaning of every table of schema results, by ``schema.table``."""
    return {
        f"results.{table.name}": Described(table.description, columns_described(table.name))
        for table in RESULT_TABLES
    }


def describe(connection: duckdb.DuckDBPyConnection, meanings: Mapping[str, Described]) -> None:
    """Put the meaning of every table and view, and of their columns, into the open database."""
    relations = connection.execute(
        "select 'table', schema_name || '.' || table_name from duckdb_tables() "
        "where database_name = current_database() union all select 'view', schema_name || '.' || view_name "
        "from duckdb_views() where database_name = current_database()"
    ).fetchall()
    for kind, name in relations:
        if name in meanings:
            connection.execute(f"comment on {kind} {name} is {literal(meanings[name].table)}")
            for column, *_ in connection.execute(f"describe {name}").fetchall():
                if column in meanings[name].columns:
                    meaning = literal(meanings[name].columns[column])
                    connection.execute(f'comment on column {name}."{column}" is {meaning}')


def _described(node: Mapping[str, Any]) -> Described:
    return Described(
        node["description"].strip(),
        {name: column["description"].strip() for name, column in node["columns"].items()},
    )
