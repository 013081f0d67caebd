"""What somebody chose on the page *Compare*, as a study with one table of one row.

Does not belong here: choosing groups and variables (`chosen.py`), the page (`compare.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import ValidationError

from analytics.declared_tests import BOUNDED, COUNT, MANY, MEASUREMENT, NO_TEST, TWO, statistical_tests
from analytics.study.analyses import BaselineTable, TableRow
from analytics.study.file import Study
from analytics.study.groups_and_variables import Endpoint, Variable, Window
from analytics.study.parts import Adjustment, Transform
from orchestration.pages.address import NotOffered, Query
from orchestration.pages.chosen import (
    BY_STUDY,
    Chosen,
    given,
    grouping,
    is_count,
    is_same,
    refusal_of,
    study_of,
    study_with,
    variable_of,
    variable_options,
)
from orchestration.pages.language import gettext
from orchestration.pages.offered import CODED, Offer

TAKES = ("first", "last", "lowest", "highest")


COMPARE_KEYS = (
    "study", "table", "by", "group", "cut", "variable", "visit", "from", "to", "take", "limits", "transform",
    "summary", "test", "overall", "adjust", "for", "grouped", "of", *(f"among_{column}" for column in CODED),
)  # fmt: skip


def comparison(query: Query, offer: Offer) -> Chosen:
    """One row of a table: a variable compared between groups."""
    study = study_of(query, offer)
    query = query.fresh("for", study.study if study else "", *(k for k in COMPARE_KEYS if k != "study"))
    tables: dict[str, BaselineTable] = {table.table_id: table for table in study.tables} if study else {}
    base = tables[query.one("table", tables, next(iter(tables)))] if tables else None
    groups = grouping(query, offer, study, base.groups if base else [], base.table_id if base else "")
    options = [option.value for option in variable_options(offer, study)]
    if not options:
        raise NotOffered(
            gettext("This release has no values to compare. Add a delivery, then myositis run."), 404
        )
    first = base.rows[0].variable if base else options[0]
    named = query.one("variable", options, first)
    query = query.fresh("of", named, "test", "summary", "overall", "limits", "transform")
    name, variable = variable_of(named, query, offer, study)
    stated = next((r for r in base.rows if r.variable == named), None) if base else None
    if groups.by != BY_STUDY:
        base = None
    row = _row(name, variable, query, stated, len(groups.chosen))
    visit = query.one("visit", offer.visits, base.visit if base else next(iter(offer.visits), "baseline"))
    window = _window(query)
    table: dict[str, Any] = {
        "table_id": base.table_id if base else "1",
        "title": f"{variable.label}, {window.in_words if window else visit.replace('_', ' ')}",
        "visit": visit,
        "window": window,
        "groups": groups.chosen,
        "reference": base.reference if base and base.reference in groups.chosen else groups.chosen[0],
        "adjust": query.one("adjust", get_args(Adjustment), base.adjust if base else "holm"),
        "rows": [row],
    }
    made = study_with(
        table["title"], study, groups, {name: variable}, tables=[given(table)],
        endpoints=_endpoints_of(variable, name, study),
    )  # fmt: skip
    is_stated = (
        base is not None
        and study is not None
        and stated == made.tables[0].rows[0]
        and study.variables.get(named) == variable
        and is_same(base, made.tables[0], "groups", "reference", "visit", "window", "adjust")
    )
    return Chosen(made, groups, study.study if is_stated and study else None, base.table_id if base else "")


def _row(
    name: str, variable: Variable, query: Query, stated: TableRow | None, n_groups: int
) -> dict[str, Any]:
    summaries = ("count_percent",) if is_count(variable) else ("median_iqr", "mean_sd")
    if variable.censored == "bounds" and not is_count(variable):
        summaries = ("median_iqr",)
    usual = stated.summary if stated and stated.summary in summaries else summaries[0]
    summary = query.one("summary", summaries, usual)
    fitting = [*tests_of(variable, summary), NO_TEST]
    of_all = [*overall_of(variable, summary, n_groups), NO_TEST]
    test = query.one("test", fitting, stated.test if stated and stated.test in fitting else fitting[0])
    default = stated.overall if stated else (of_all[0] if n_groups > 2 else NO_TEST)
    row: dict[str, Any] = {
        "variable": name,
        "transform": query.one("transform", get_args(Transform), stated.transform if stated else "none"),
        "summary": summary,
        "test": test,
        "overall": query.one("overall", of_all, default if default in of_all else NO_TEST),
    }
    if stated and stated.tests and not query.states("test"):
        row["tests"] = dict(stated.tests)
    return row


USUAL = {MEASUREMENT: "mann_whitney", COUNT: "fisher", BOUNDED: "peto_prentice"}


def tests_of(variable: Variable, summary: str) -> list[str]:
    """The tests of a pair that fit, the usual one first."""
    kind = _kind(variable, summary)
    return _usual_first(statistical_tests(kind, groups=TWO), USUAL[kind])


def overall_of(variable: Variable, summary: str, n_groups: int) -> list[str]:
    """The tests of all groups that fit."""
    kind = _kind(variable, summary)
    if kind == BOUNDED or n_groups < 2:
        return []
    return _usual_first(
        statistical_tests(kind, groups=MANY), "fisher_k" if kind == COUNT else "kruskal_wallis"
    )


def _kind(variable: Variable, summary: str) -> str:
    if summary == "count_percent":
        return COUNT
    return BOUNDED if variable.censored == "bounds" else MEASUREMENT


def _usual_first(tests: Iterable[str], usual: str) -> list[str]:
    return [usual, *(test for test in tests if test != usual)]


def _window(query: Query) -> Window | None:
    if not query.states("from", "to"):
        return None
    low, high = query.number("from", 0.0, -600, 600), query.number("to", 36.0, -600, 600)
    try:
        return Window.model_validate(
            {"from_months": low, "to_months": high, "take": query.one("take", TAKES, "first")}
        )
    except ValidationError as error:
        raise refusal_of(error) from None


def _endpoints_of(variable: Variable, name: str, study: Study | None) -> dict[str, Endpoint]:
    """The endpoint that a variable reads."""
    if variable.source != "endpoint" or study is None:
        return {}
    return {variable.of or name: study.endpoints[variable.of or name]}
