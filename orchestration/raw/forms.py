"""Texts that say nothing: the 0 in a form that nobody filled in, and the 0 of a question whose box "not
known" is ticked.

Belongs here: leaving such texts out of a table that is being loaded, and counting them. Does not belong here:
which columns form a form (the mapping, or `redcap.py`), what any other text means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from orchestration.exports import SourceTable
from orchestration.raw import redcap
from orchestration.raw.cell_sql import all_hold, literal
from orchestration.registry.entities import Where, is_named
from orchestration.registry.mapping import CodeList, Export, Form

NOT_ASKED, NOT_KNOWN = "not_asked", "not_known"


@dataclass(frozen=True)
class Untouched:
    """How many cells of one column were left out, and why."""

    rule: str
    column: str
    cells: int
    first_row: int


def dictionary(
    connection: duckdb.DuckDBPyConnection, code_list: CodeList, table: SourceTable
) -> Iterator[redcap.DictionaryField]:
    """The fields of a REDCap data dictionary, in their order; none where it does not name their forms."""
    if code_list.field is None or redcap.FORM not in table.columns:
        return
    cell = {c: f"c{i}" for i, c in enumerate(table.columns)}
    wanted = (code_list.field, redcap.FORM, redcap.TYPE, redcap.LABEL, code_list.choices or redcap.CHOICES)
    texts = ", ".join(f"coalesce({cell.get(c, 'null')}, '')" for c in wanted)
    for name, form, kind, label, choices in connection.execute(
        f"select {texts} from ({table.relation}) order by source_row"
    ).fetchall():
        yield redcap.DictionaryField(name, form, kind, redcap.plain_label(label), redcap.choices(choices))


def forms_of(
    exports: Sequence[Export], columns: Sequence[str], fields: Sequence[redcap.DictionaryField]
) -> list[Form]:
    """The forms of one table, by what the exports that read it say."""
    found = [form for export in exports for form in export.stated_forms()]
    if any(export.forms == "redcap" for export in exports):
        named = [n for export in exports for n in export.identifiers]
        found += redcap.forms(columns, fields, [c for c in columns if is_named(c, named, columns)])
    return [form for i, form in enumerate(found) if form not in found[:i]]


def columns_of(forms: Sequence[Form], columns: Sequence[str]) -> list[str]:
    """The columns of a table that its forms name or ask about."""
    names = [n for form in forms for n in (*form.columns, *form.columns_asked())]
    return [c for c in columns if is_named(c, names, columns)]


def leave_out(
    connection: duckdb.DuckDBPyConnection,
    forms: Sequence[Form],
    columns: Sequence[str],
    cells: dict[str, str],
    taken: dict[str, str],
) -> list[Untouched]:
    """Take the texts that say nothing out of the view `incoming`. ``columns`` are those of the table,
    ``cells`` the SQL of every column that is asked about; ``taken`` are the columns to change, each with SQL
    for the rows in which somebody wants it: only those are counted.
    """
    rules = {
        column: rules
        for column in taken
        if (rules := [r for form in forms for r in _rules(form, column, columns, cells)])
    }
    if not rules:
        return []
    counts = ", ".join(
        f"count(*) filter ({left_out}), min(source_row) filter ({left_out})"
        for column, found in rules.items()
        for i, (_, says_nothing) in enumerate(found)
        for left_out in [
            f"where {taken[column]} and {says_nothing}"
            + "".join(f" and not {earlier}" for _, earlier in found[:i])
        ]
    )
    row = connection.execute(f"select {counts} from incoming").fetchall()[0]
    kept = ", ".join(
        f"case when not ({' or '.join(says for _, says in found)}) then {cells[column]} end as "
        f"{cells[column]}"
        for column, found in rules.items()
    )
    connection.execute(
        f"create or replace temp table incoming_answered as select * replace ({kept}) from incoming"
    )
    connection.execute("create or replace temp view incoming as select * from incoming_answered")
    named = [(rule, column) for column, found in rules.items() for rule, _ in found]
    return [
        Untouched(rule, column, row[2 * i], row[2 * i + 1])
        for i, (rule, column) in enumerate(named)
        if row[2 * i]
    ]


def _rules(
    form: Form, column: str, columns: Sequence[str], cells: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Why a text of the column says nothing, with SQL that is true for the rows in which it does."""
    if not is_named(column, form.columns, columns):
        return
    untouched = f"coalesce(trim({cells[column]}) in ({', '.join(map(literal, form.untouched))}), false)"
    if form.not_known_when:
        yield NOT_KNOWN, f"({untouched} and {_any_holds(form.not_known_when, cells)})"
    if form.answered_when or not form.not_known_when:
        own = [c for c in columns if is_named(c, form.columns, columns)]
        touched = " or ".join(
            f"trim({cells[c]}) not in ({', '.join(map(literal, form.untouched))})" for c in own
        )
        answered = f"(coalesce({touched}, false) or {_any_holds(form.answered_when, cells)})"
        yield NOT_ASKED, f"({untouched} and not {answered})"


def _any_holds(alternatives: Sequence[Where], cells: dict[str, str]) -> str:
    return f"({' or '.join(all_hold(where, cells) for where in alternatives) or 'false'})"
