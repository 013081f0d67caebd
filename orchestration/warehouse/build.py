"""One build of the models: the rules are written into the warehouse, dbt runs, and each delivery is held to
its threshold of rejected rows.

Does not belong here: running dbt (`dbt.py`), Dagster (`assets.py`), the models (`dbt_project/`).
"""

import hashlib
import logging
import re
from datetime import date

import duckdb

from orchestration.database.raw_tables import (
    BEING_BUILT,
    BUILT_BY_RULES,
    BUILT_FROM,
    RAW_FIELDS,
    put_state,
    state,
)
from orchestration.database.rules import write_rules
from orchestration.database.warehouse_file import warehouse
from orchestration.raw.cell_sql import literal
from orchestration.raw.changes import compare_again
from orchestration.raw.ledger import refuse_for_rows
from orchestration.raw.withdrawals import withdraw
from orchestration.registry.folder import Registry
from orchestration.warehouse import dbt, refused_rows
from orchestration.warehouse.correction_cells import CorrectionsRefused, resolve_corrections

log = logging.getLogger("myositis")

RULES_TOLD, ROWS_TOLD = 5, 10  # shown of a delivery that is refused for its rows
# rules that look beyond the row: another delivery may bring the patient, the visit, the birth or the onset
RULES_ON_OTHER_ROWS = (
    "patient_unknown",
    "visit_unknown",
    "date_before_birth",
    "birth_after_other_dates",
    "date_beyond_life",
    "relapse_before_onset",
    "units_disagree",
    "number_ambiguous",
    "date_read_by_order",
)
LAYERS = ("staging", "intermediate", "marts", "quality")


def build(registry: Registry, today: date | None = None) -> tuple[list[dbt.NodeResult], dict[str, int]]:
    """Bring every model up to date with the loads in force; returns what each node did, and the rows of each
    table.

    ``today`` is a setting of the build: rows dated after it are rejected. It defaults to the computer's own
    day. If the day of a row that was rejected so has come since, all models are built anew (a full refresh).

    The warehouse keeps the rules that its tables were built by. If the rules differ now, or a build was
    interrupted while it applied them, all models are built anew too. Before anything is built, the
    corrections are looked up in the loads; if one no longer holds, nothing is built. A delivery with more
    rejected rows than its hospital is allowed is put out of force, its predecessor comes back into force, and
    the touched patients are built again.
    """
    rules = dbt.project_digest() + registry.rules_digest()
    today = today or date.today()
    with warehouse(registry.warehouse) as connection:
        fresh = state(connection, BUILT_BY_RULES) == rules and not days_have_come(connection, today)
        write_rules(connection, registry, today)
        if not fresh:
            put_state(connection, BUILT_BY_RULES, f"{BEING_BUILT} {rules}")
    log.info(
        "models: %s",
        "what the new deliveries touch" if fresh else "all of them, because rules, models or the day are new",
    )
    _settle(registry)
    results = dbt.build(registry, full_refresh=not fresh, with_seeds=not fresh)
    while all(r.passed for r in results):
        with warehouse(registry.warehouse) as connection:
            connection.execute("delete from raw.registry_load_to_restage")
            if not refuse_over_threshold(connection, registry):
                put_state(connection, BUILT_BY_RULES, rules)
                put_state(connection, BUILT_FROM, models_from(registry, connection))
                return results, _row_counts(connection)
        _settle(registry)
        results = dbt.build(registry, full_refresh=False, with_seeds=False)
    with warehouse(registry.warehouse) as connection:
        return results, _row_counts(connection)


def models_from(registry: Registry, connection: duckdb.DuckDBPyConnection) -> str:
    """A digest of everything that the models are made from: the loads in force, the key of the pseudonyms,
    the registry's rules, mappings and records, and the models themselves.
    """
    parts = (
        repr(connection.execute("select load_id from raw.current_load order by 1").fetchall()),
        repr(connection.execute("select mark from raw.pseudonym_mark").fetchall()),
        registry.rules_digest(),
        *(f"{sender} {registry.mapping_digest(sender)}" for sender in registry.mappings),
        registry.records_digest(date.today()),
        dbt.project_digest(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def is_built(registry: Registry, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the marts hold the loads that are in force now, by the registry's files as they are now."""
    return state(connection, BUILT_FROM) == models_from(registry, connection)


def days_have_come(connection: duckdb.DuckDBPyConnection, today: date) -> bool:
    """Whether the day of a row that was rejected as dated after today has come, or today lies before the last
    build's day.
    """
    last = connection.execute("select value from raw.registry_setting where setting = 'today'").fetchone()
    if last is None or today.isoformat() <= last[0]:
        return last is not None and today.isoformat() < last[0]
    return any(
        connection.execute(
            f"select count(*) from staging.stg_{entity} where not_before <= date '{today.isoformat()}'"
        ).fetchall()[0][0]
        for entity in RAW_FIELDS
    )


def _settle(registry: Registry) -> None:
    with warehouse(registry.warehouse) as connection:
        withdraw(connection, registry)
        compare_again(connection, registry)
        if faults := resolve_corrections(connection, registry):
            raise CorrectionsRefused(faults)


def refuse_over_threshold(connection: duckdb.DuckDBPyConnection, registry: Registry) -> int:
    """Put those deliveries out of force whose share of rejected records exceeds what their mapping allows;
    returns how many.
    """
    over = connection.execute("""
        select t.sender_id, t.delivery_id, t.load_id, t.source_file, t.source_sheet, t.entity, t.records_counted,
            t.records + t.rows_malformed, s.rejected_rows_allowed, s.rejected_rows_least
        from quality.source_table as t join raw.registry_sender as s using (sender_id)
        where t.records_counted > s.rejected_rows_allowed * (t.records + t.rows_malformed)
            and t.records_counted >= s.rejected_rows_least
        order by all
    """).fetchall()  # noqa: E501
    loads = {row[2] for row in over}
    for load_id in sorted(loads):
        refused_rows.keep(connection, load_id)
        sender, delivery = next((r[0], r[1]) for r in over if r[2] == load_id)
        reasons = [
            f"{sender}/{delivery}/{file}{f' [{sheet}]' if sheet else ''}: {counted} of {records} records of "
            f"{entity} rejected, which is {counted / records:.1%}; allowed "
            f"{_allowed(share, least)}{_rules_hit(connection, load_id, file, sheet, entity)}"
            for _, _, load, file, sheet, entity, counted, records, share, least in over
            if load == load_id
        ]
        reasons.append(
            f"once a run has refused them, ask the hospital about these rows: myositis queries {sender}"
        )
        refuse_for_rows(
            connection,
            sender,
            delivery,
            load_id,
            reasons,
            registry.decisions_digest(date.today(), sender),
            is_by_itself=not _rests_on_others(connection, load_id),
            until=_first_day_to_come(connection, load_id),
        )
        log.warning("refused %s/%s: %s", sender, delivery, reasons[0])
    return len(loads)


def _allowed(share: float, least: int) -> str:
    """What `rejected_rows_allowed` of the mapping lets pass, as share and count."""
    return f"{share:.1%}" + (
        f", and always {least - 1} of a table (rejected_rows_allowed)" if least > 1 else ""
    )


def _rests_on_others(connection: duckdb.DuckDBPyConnection, load_id: str) -> bool:
    """Whether rows of a load are rejected because of what rows of another delivery say or lack."""
    return connection.execute(
        "select count(*) > 0 from quality.rejected_row where load_id = ? and counts_against_threshold"
        " and list_contains(?, rule)",
        [load_id, list(RULES_ON_OTHER_ROWS)],
    ).fetchall()[0][0]


def _first_day_to_come(connection: duckdb.DuckDBPyConnection, load_id: str) -> date | None:
    """The first day on which a row of a load is no longer rejected as dated after today."""
    each = " union all ".join(
        f"select not_before from staging.stg_{entity} where load_id = {literal(load_id)}"
        for entity in RAW_FIELDS
    )
    return connection.execute(f"select min(not_before) from ({each})").fetchall()[0][0]


def _rules_hit(
    connection: duckdb.DuckDBPyConnection, load_id: str, file: str, sheet: str | None, entity: str
) -> str:
    """A line per rule and column: what to look for, and where; no value of a patient, but the words that
    nobody knows.
    """
    hits = connection.execute(
        """
        select r.rule, r.column_name, count(*), list(distinct r.source_row order by r.source_row), any_value(k.expected), mode(r.remedy)
        from quality.rejected_row as r join intermediate.rejection_rules as k using (rule)
        where r.load_id = ? and r.source_file = ? and r.source_sheet is not distinct from ?
            and coalesce(r.entity, ?) = ? and r.counts_against_threshold
        group by all order by 3 desc, 1, 2 limit ?
        """,  # noqa: E501
        [load_id, file, sheet, entity, entity, RULES_TOLD],
    ).fetchall()
    lines = []
    for rule, column, n, rows, expected, remedy in hits:
        more = f" and {len(rows) - ROWS_TOLD:,} more" if len(rows) > ROWS_TOLD else ""
        where = f'column "{column}", ' if column else ""
        numbers = ", ".join(str(row) for row in rows[:ROWS_TOLD])
        lines.append(
            "\n"
            f"  {rule} {n:,}: {where}row{'s' if len(rows) > 1 else ''} "
            f"{numbers}{more}{refused_rows.words_told(connection, load_id, rule, file, column)}; expected "
            f"{expected}; {remedy}"
        )
    return "".join(lines)


def _row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    tables = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables"
        f" where table_schema in {LAYERS!r} and table_type = 'BASE TABLE'"
    ).fetchall()
    if not tables:
        return {}
    query = " union all ".join(f"select '{name}' as name, count(*) as n from {name}" for (name,) in tables)
    return dict(connection.execute(query).fetchall())


def failure_sentence(failed: list[dbt.NodeResult]) -> str:
    """Which models and tests failed, and why. Those that were skipped because of them are only counted."""
    broken = [r for r in failed if r.status != "skipped"]
    told = [
        f"{r.unique_id.split('.')[2]} {r.status}"
        + (f" ({r.failures} rows)" if r.failures else f" ({_without_values(r.message)})" if r.message else "")
        for r in broken[:20]
    ]
    skipped = len(failed) - len(broken)
    return "dbt: " + "; ".join(told) + (f"; {skipped} models and tests behind it left out" if skipped else "")


def _without_values(message: str) -> str:
    """DuckDB quotes the text that it could not read, and that is a patient's value. Keeps the message up to
    the quote, without its numbers.
    """
    kept, *cut = re.split(r"['\"]|\n\s*LINE ", message, maxsplit=1)
    return " ".join(re.sub(r"(?<![\w.])\d[\d.]*", "#", kept).split()) + (" …" if cut else "")
