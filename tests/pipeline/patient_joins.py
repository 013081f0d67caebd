"""Which places of a query match patients without naming their hospital or sender.

A patient is `(hospital_id, patient_key)`, or `(sender_id, patient_key)`: the same key at another hospital is
somebody else. Belongs here: finding the places in SQL, however a join is spelled. Does not belong here: which
queries are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp, parse_one

PATIENT, HOUSE = "patient_key", {"hospital_id", "sender_id"}


def unguarded(sql: str) -> list[str]:
    """The joins, comparisons, groups and windows of ``sql`` that name `patient_key` and neither hospital nor
    sender.
    """
    tree = parse_one(sql, dialect="duckdb")
    return [
        node.sql(dialect="duckdb") for node, names in _places(tree) if PATIENT in names and not names & HOUSE
    ]


def _places(tree: exp.Expression) -> Iterator[tuple[exp.Expression, set[str]]]:
    """Each place that matches rows, with the names of the columns that it matches by."""
    for join in tree.find_all(exp.Join):
        if join.args.get("using"):
            yield join, {i.name for i in join.args["using"]}
        elif join.args.get("on") is not None:
            yield join, _compared(join.args["on"])
    for where in tree.find_all(exp.Where):  # a comma between tables, or a subquery that looks outside
        yield where, _compared(where)
    for found in tree.find_all(exp.In):
        if found.args.get("query") is not None:
            yield found, {c.name for c in found.this.find_all(exp.Column)}
    for window in tree.find_all(exp.Window):
        yield (
            window,
            {c.name for part in window.args.get("partition_by") or () for c in part.find_all(exp.Column)},
        )
    for distinct in tree.find_all(exp.Distinct):
        if distinct.args.get("on") is not None:
            yield distinct, {c.name for c in distinct.args["on"].find_all(exp.Column)}
    for group in tree.find_all(exp.Group):
        yield group, {c.name for part in group.expressions for c in part.find_all(exp.Column)}


def _compared(condition: exp.Expression) -> set[str]:
    """Names of the columns that stand on both sides of an equality of this condition, not of one inside a
    subquery.
    """
    names = set()
    for equal in condition.find_all(exp.EQ, exp.NullSafeEQ):
        left, right = _columns(equal.left), _columns(equal.right)
        if left and right and equal.parent_select is condition.parent_select:
            names |= {c.name for c in (*left, *right)}
    return names


def _columns(side: exp.Expression) -> list[exp.Column]:
    return list(side.find_all(exp.Column))
