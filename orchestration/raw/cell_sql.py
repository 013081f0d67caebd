"""A mapping's sources and conditions as SQL over the cells of one row.

Does not belong here: running it (`loading.py`), the mapping's own form (`mapping.py`).
"""

from __future__ import annotations

from orchestration.exports import BLANKS, SourceTable
from orchestration.registry.entities import ColumnSource, Condition, Where
from orchestration.registry.mapping import CodeList, Export


def cell_text(source: ColumnSource, cells: dict[str, str]) -> str:
    if source.constant is not None:
        text = literal(source.constant)
    else:
        each = [cells[a] if isinstance(a, str) else cell_text(a, cells) for a in source.alternatives]
        text = each[0] if len(each) == 1 else f"coalesce({', '.join(each)})"
    if source.part is not None:
        text = f"coalesce(nullif(regexp_extract({text}, {literal(source.part)}, 1), ''), {text})"
    return f"case when {all_hold(source.when, cells)} then {text} end" if source.when else text


def origin(source: ColumnSource, cells: dict[str, str]) -> str:
    """SQL for the name of the column that a text was taken from."""
    if len(source.alternatives) < 2 and all(isinstance(a, str) for a in source.alternatives):
        named = source.columns or source.columns_asked
        return literal(named[0] if named else None)
    branches = " ".join(
        f"when {cells[a]} is not null then {literal(a)}"
        if isinstance(a, str)
        else f"when {cell_text(a, cells)} is not null then {origin(a, cells)}"
        for a in source.alternatives
    )
    return f"case {branches} end"


def is_taken(export: Export, cells: dict[str, str]) -> str:
    """SQL for whether an export takes a row."""
    return f"({' or '.join(all_hold(w, cells) for w in export.where)})" if export.where else "true"


def all_hold(where: Where, cells: dict[str, str]) -> str:
    return (
        "(" + " and ".join(one_holds(cells[column], condition) for column, condition in where.items()) + ")"
    )


def one_holds(cell: str, condition: Condition) -> str:
    texts = ", ".join(literal(t) for t in condition.texts if t is not None)
    parts = ([f"trim({cell}) in ({texts})"] if texts else []) + (
        [f"{cell} is null"] if None in condition.texts else []
    )
    return f"{'not ' if condition.is_negated else ''}coalesce({' or '.join(parts)}, false)"


def code_list_sql(code_list: CodeList, table: SourceTable) -> str:
    """Field, code and label of each line of a code list."""
    cell: dict[str | None, str] = {
        c: f"c{i}" for i, c in enumerate(table.columns)
    }  # CodeList has all keys of its shape
    if code_list.labels:  # a blank label is a label too: the code becomes blank
        pairs = ", ".join(
            f"{{'field': {literal(name)}, 'label': trim({cell[label]})}}"
            for _, name, label in code_list.looked_up()
        )
        return (
            f"select each.field, code, each.label from (select trim({cell[code_list.code]}) as code, unnest([{pairs}]) as each"
            f" from ({table.relation}) where {cell[code_list.code]} is not null)"
        )
    if code_list.code is not None:
        fields = ", ".join(literal(c) for c in code_list.columns)
        return (
            f"select unnest([{fields}]), trim({cell[code_list.code]}), trim({cell[code_list.label]}) from ({table.relation})"
            f" where {cell[code_list.code]} is not null and {cell[code_list.label]} is not null"
        )
    return (  # `1, Yes | 2, No`: the code stands before the first comma
        "select field, trim(regexp_extract(choice, '^([^,]*),', 1)), trim(regexp_extract(choice, ',(.*)$', 1)) from ("
        f"select trim({cell[code_list.field]}) as field, unnest(string_split({cell[code_list.choices]}, '|')) as choice"
        f" from ({table.relation})) where contains(choice, ',')"
    )


def without_blanks(expression: str) -> str:
    """SQL for the text without leading and trailing blanks of any alphabet."""
    return f"trim({expression}, {literal(BLANKS)})"


def literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"
