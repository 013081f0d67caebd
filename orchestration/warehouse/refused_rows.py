"""The rejected rows of a delivery that is refused for them: kept for the query list, and told in the refusal.

The build that follows a refusal leaves no row of the delivery in any table. Belongs here: which of its rows
are kept, and which words a refusal may name. Does not belong here: refusing (`build.py`), asking
(`queries/`).
"""

from __future__ import annotations

import duckdb

from orchestration.database.raw_tables import RAW_FIELDS
from orchestration.raw.ledger import REFUSED_ROWS
from orchestration.registry.corrections import looks_like_an_identifier

KEPT_OF_A_KIND = 50  # rows per rule, column and table: a query list asks no more
WORDS_TOLD = 20
# A word that two patients share is a word of the trade; one that a single patient has may be that patient's.
PATIENTS_OF_A_TOLD_WORD = 2
OF_RESULTS = ("value", "result")  # fields whose texts are a patient's values, whatever they say


def keep(connection: duckdb.DuckDBPyConnection, load_id: str) -> None:
    """Keep what the hospital is asked: each unknown word once, with its first row, and the first rows of
    every other rule.
    """
    connection.execute(f"delete from {REFUSED_ROWS} where load_id = ?", [load_id])
    keys = " union all ".join(
        f"select distinct '{entity}' as entity, source_file, source_sheet, source_row, patient_key "
        f"from raw.{entity} where load_id = $load"
        for entity in RAW_FIELDS
    )
    connection.execute(
        f"""
        insert into {REFUSED_ROWS} by name
        with rejected as (
            select r.*, coalesce(k.is_word, false) and r.value_text is not null as is_word
            from quality.rejected_row as r join intermediate.rejection_rules as k using (rule)
            where r.load_id = $load and r.counts_against_threshold
        ),
        patients as ({keys})
        select r.sender_id, r.hospital_id, r.delivery_id, r.load_id, r.rule, r.source_file, r.source_sheet,
            min(r.source_row) as source_row, r.entity, r.field, r.column_name,
            r.source_column, r.value_text,
            count(distinct (r.source_row, r.source_column)) as n_rows,
            count(distinct p.patient_key) as n_patients
        from rejected as r
        left join patients as p
            on p.entity = r.entity and p.source_file = r.source_file
            and p.source_sheet is not distinct from r.source_sheet and p.source_row = r.source_row
        group by r.sender_id, r.hospital_id, r.delivery_id, r.load_id, r.rule, r.source_file, r.source_sheet, r.entity,
            r.field, r.column_name, r.source_column, r.value_text, r.is_word, case when not r.is_word then r.source_row end
        qualify row_number() over (partition by r.rule, r.column_name, r.source_file, r.source_sheet
            order by min(r.source_row), r.value_text) <= {KEPT_OF_A_KIND}
        """,  # noqa: E501
        {"load": load_id},
    )


def words_told(
    connection: duckdb.DuckDBPyConnection, load_id: str, rule: str, file: str, column: str | None
) -> str:
    """`; its 8 words: "Kreatinkinaze" 120 rows, …` of a rule about words; empty for another rule."""
    words = connection.execute(
        f"""
        select r.value_text, sum(r.n_rows)::bigint, max(r.n_patients), any_value(r.field)
        from {REFUSED_ROWS} as r join intermediate.rejection_rules as k using (rule)
        where r.load_id = ? and r.rule = ? and r.source_file = ? and r.column_name is not distinct from ?
            and k.is_word and r.value_text is not null
        group by 1 order by 2 desc, 1
        """,
        [load_id, rule, file, column],
    ).fetchall()
    shown = [
        f'"{word}" {rows:,} {"row" if rows == 1 else "rows"}'
        for word, rows, patients, field in words
        if field not in OF_RESULTS
        and patients >= PATIENTS_OF_A_TOLD_WORD
        and not looks_like_an_identifier(word)
    ][:WORDS_TOLD]
    if not words:
        return ""
    held = len(words) - len(shown)
    count = f"{len(words)} {'word' if len(words) == 1 else 'words'}"
    listed = ", ".join(shown)
    rest = (
        f"{'; ' if shown else ''}{held} {'is' if held == 1 else 'are'} shown in the query list alone"
        if held
        else ""
    )
    return f"; {count}: {listed}{rest}"
