"""Laws of a delivery: what hypothesis writes as a hospital's file is in raw with equal content, through its
mapping, or refused with its place; every row is accounted for.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import duckdb
import openpyxl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw.ledger import remove_load
from orchestration.raw.loading import load_delivery
from orchestration.raw.verdict import DeliveryRefused
from orchestration.registry.folder import Registry
from tests.properties.test_export_laws import CELL
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
exports:
  - file: labs.*
    observations:
      patient_id: id
      observed_on: date
      values: {ck: {column: CK, unit: U/L}, ldh: {column: LDH, unit: U/L}}
    ignored: [note]
"""
HEADER = ["id", "date", "CK", "note", "LDH"]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "007", ""]),
        st.sampled_from(["2024-01-05", "05.01.24", ""]),
        CELL,
        CELL,
        CELL,
    ),
    min_size=1,
    max_size=8,
)
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return make_registry(tmp_path_factory.mktemp("laws") / "registry", MAPPING, patients="", visits="")


@pytest.fixture(scope="module")
def connection(north: Registry):
    with warehouse(north.warehouse) as opened:
        yield opened


def deliver(
    north: Registry, connection: duckdb.DuckDBPyConnection, name: str, content: bytes
) -> dict[str, list] | list[str]:
    """What is in raw after a delivery of one file, or the reasons for which it was refused."""
    folder: Path = north.landing / "north" / "first"
    for old in folder.iterdir():
        old.unlink()
    (folder / name).write_bytes(content)
    inventory = take_inventory(north, "north", "first")
    try:
        load_delivery(connection, north, inventory)
    except DeliveryRefused as refusal:
        return refusal.reasons
    found = {
        "results": "select source_row, concept_source, value_text from raw.observations order by all",
        "patients": "select count(distinct patient_key) from raw.observations",
        "rejected": "select distinct source_row from raw.rejected_line order by 1",
        "account": "select rows_read, rows_malformed, rows_blank, cells_empty, records from raw.source_table",
    }
    rows = {key: connection.execute(sql).fetchall() for key, sql in found.items()}
    remove_load(connection, inventory.load_id)
    return rows


def holds(outcome: dict[str, list] | list[str], rows: list[tuple], name: str) -> None:
    """Every filled cell of every row that was not rejected is a result with its text, row and test; nothing
    else is.
    """
    if isinstance(outcome, list):
        assert outcome
        assert all(
            reason.startswith((f"north/first/{name}", "north/first: the delivery is empty"))
            for reason in outcome
        )
        return
    lost = {row for (row,) in outcome["rejected"]}
    sent = [(i, dict(zip(HEADER, row, strict=True))) for i, row in enumerate(rows, start=2) if any(row)]
    read = [(i, row) for i, row in sent if i not in lost]
    results = [(i, test.lower(), row[test]) for i, row in read for test in ("CK", "LDH") if row[test]]
    assert outcome["results"] == sorted(results)
    blank = sum(1 for _, row in read if not any(row[column] for column in ("id", "date", "CK", "LDH")))
    ((rows_read, malformed, rows_blank, cells_empty, records),) = outcome["account"]
    assert (rows_read, malformed, rows_blank) == (len(sent), len(lost), blank)
    assert records + cells_empty == 2 * (rows_read - malformed - rows_blank)
    ids = {row["id"] for _, row in read if row["id"] and (row["CK"] or row["LDH"])}
    assert outcome["patients"] == [(len(ids),)]


@QUICK
@given(
    rows=ROWS,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_delivery_of_text_is_in_raw_as_it_was_or_refused_with_its_place(
    north, connection, rows, delimiter, encoding
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([HEADER, *rows])
    holds(deliver(north, connection, "labs.csv", out.getvalue().encode(encoding)), rows, "labs.csv")


@settings(QUICK, max_examples=8, phases=[Phase.generate])  # a process an example: no search for the smallest
@given(rows=ROWS)
def test_a_delivery_of_a_workbook_is_in_raw_as_it_was_or_refused_with_its_place(
    north, connection, rows
) -> None:
    book = openpyxl.Workbook()
    # XML turns a carriage return into a line feed
    kept = [tuple("" if cell.isspace() else cell.replace("\r", "\n") for cell in row) for row in rows]
    for i, row in enumerate([HEADER, *kept]):
        for j, value in enumerate(row):
            if value:
                cell = book.active.cell(i + 1, j + 1)
                cell.value, cell.data_type = value, "s"
    content = io.BytesIO()
    book.save(content)
    holds(deliver(north, connection, "labs.xlsx", content.getvalue()), kept, "labs.xlsx")
