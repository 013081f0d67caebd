"""A mapping's sources and conditions as SQL over the cells of one row.

Does not belong here: running it (`loading.py`), the mapping's own form (`mapping.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestration.exports import BLANKS, SourceTable
from orchestration.registry.entities import ColumnSource, Condition, Where
from orchestration.registry.mapping import CodeList, Export

ANY = "[*]"  # in a column's name: each element of an array of JSON objects, as `code.coding[*].code`
ABSENT = "null::varchar"


def elements(name: str, columns: Iterable[str]) -> list[str]:
    """The columns that a name with ``[*]`` stands for, in their order; of any other name, itself."""
    if ANY not in name:
        return [name]
    shape = re.compile(re.escape(name).replace(re.escape(ANY), r"\[(\d+)\]"))
    found = [(tuple(map(int, m.groups())), c) for c in columns if (m := shape.fullmatch(c))]
    return [column for _, column in sorted(found)]


def with_elements(names: Iterable[str], cells: dict[str, str]) -> dict[str, str]:
    """The cells, and the first filled element of each name with ``[*]``."""
    own = [name for name in dict.fromkeys(names) if name not in cells]
    found = {name: [cells[c] for c in elements(name, cells) if c != name] for name in own}
    return cells | {
        name: f"coalesce({', '.join([*each, ABSENT])})" if each else ABSENT for name, each in found.items()
    }


def cell_text(source: ColumnSource, cells: dict[str, str]) -> str:
    if source.constant is not None:
        text = literal(source.constant)
    else:
        each = [cells[a] if isinstance(a, str) else cell_text(a, cells) for a in _alternatives(source, cells)]
        text = each[0] if len(each) == 1 else f"coalesce({', '.join([*each, ABSENT])})"
    if source.part is not None:
        text = f"coalesce(nullif(regexp_extract({text}, {literal(source.part)}, 1), ''), {text})"
    return f"case when {all_hold(source.when, cells)} then {text} end" if source.when else text


def all_names(codes: ColumnSource | None, names: ColumnSource | None, cells: dict[str, str]) -> str:
    """SQL for every text of the codes, the character 30, and every text of the names, each parted by the
    character 31; null if there is none. The model `int_observations` takes them apart.
    """
    texts = [_all_texts(source, cells) for source in (codes, names)]
    return f"nullif({texts[0]} || chr(30) || {texts[1]}, chr(30))"


def _all_texts(source: ColumnSource | None, cells: dict[str, str]) -> str:
    alternatives = _alternatives(source, cells) if source is not None else []
    each = [cells[a] if isinstance(a, str) else cell_text(a, cells) for a in alternatives]
    return f"concat_ws({', '.join(['chr(31)', *each])})" if each else "''"


def _alternatives(source: ColumnSource, cells: dict[str, str]) -> list[str | ColumnSource]:
    """The alternatives, one for each element of an array; what an element is asked is asked of the same
    element.
    """
    found: list[str | ColumnSource] = []
    for one in source.alternatives:
        if isinstance(one, str):
            found += elements(one, cells) or [one]
        elif isinstance(one.column, str) and ANY in one.column:
            before, after = one.column.split(ANY, 1)
            for column in elements(one.column, cells):
                number = column[len(before) : len(column) - len(after)]
                when = {c.replace(ANY, number): condition for c, condition in one.when.items()}
                found.append(one.model_copy(update={"column": column, "when": when}))
        else:
            found.append(one)
    return found


def origin(source: ColumnSource, cells: dict[str, str]) -> str:
    """SQL for the name of the column that a text was taken from."""
    alternatives = _alternatives(source, cells)
    if len(alternatives) < 2 and all(isinstance(a, str) for a in alternatives):
        named = source.columns or source.columns_asked
        return literal(named[0] if named else None)
    branches = " ".join(
        f"when {cells[a]} is not null then {literal(a)}"
        if isinstance(a, str)
        else f"when {cell_text(a, cells)} is not null then {origin(a, cells)}"
        for a in alternatives
    )
    return f"case {branches} end" if branches else literal(None)


def is_taken(export: Export, cells: dict[str, str]) -> str:
    """SQL for whether an export takes a row."""
    return f"({' or '.join(all_hold(w, cells) for w in export.where)})" if export.where else "true"


def all_hold(where: Where, cells: dict[str, str]) -> str:
    return (
        "("
        + " and ".join(one_holds(cells.get(column, ABSENT), condition) for column, condition in where.items())
        + ")"
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
            f"select each.field, code, each.label from (select trim({cell[code_list.code]}) as code, "
            f"unnest([{pairs}]) as each from ({table.relation}) where {cell[code_list.code]} is not null)"
        )
    if code_list.code is not None:
        fields = ", ".join(literal(c) for c in code_list.columns)
        return (
            f"select unnest([{fields}]), trim({cell[code_list.code]}), trim({cell[code_list.label]}) "
            f"from ({table.relation}) where {cell[code_list.code]} is not null "
            f"and {cell[code_list.label]} is not null"
        )
    return (  # `1, Yes | 2, No`: the code stands before the first comma
        "select field, trim(regexp_extract(choice, '^([^,]*),', 1)), trim(regexp_extract(choice, ',(.*)$', "
        f"1)) from (select trim({cell[code_list.field]}) as field, "
        f"unnest(string_split({cell[code_list.choices]}, '|')) as choice from ({table.relation})) "
        "where contains(choice, ',')"
    )


def without_blanks(expression: str) -> str:
    """SQL for the text without leading and trailing blanks of any alphabet."""
    return f"trim({expression}, {literal(BLANKS)})"


def literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"
