"""The page Compare: one variable between groups, its distribution, the test and the effect.

Belongs here: what the page asks of the results, and its form. Does not belong here: choices
(`compare_choices.py`), charts (`compare_charts.py`), any computing.
"""

from __future__ import annotations

from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analytics.declared_tests import NO_TEST
from analytics.printed.printed_table import Cell
from analytics.printed.tables import baseline_table
from analytics.study.frames import StudyFrames
from analytics.study.parts import Adjustment, Transform
from analytics.words.wording import test_words
from orchestration.pages import compare_charts
from orchestration.pages.chart_parts import charts
from orchestration.pages.chosen import LIMITS, is_count, variable_options
from orchestration.pages.compare_choices import COMPARE_KEYS, TAKES, comparison, overall_of, tests_of
from orchestration.pages.language import gettext, marked
from orchestration.pages.questions import Answered, answered, as_table, sections, show
from orchestration.pages.shell import Shell
from orchestration.pages.words import opened, worded

ROWS = {
    table: lambda chosen: {
        "table_id": chosen.study.tables[0].table_id,
        "variable": chosen.study.tables[0].rows[0].variable,
    }
    for table in ("baseline_summary", "group_comparison")
}


def routes(shell: Shell) -> list[Route]:
    def page(request: Request) -> Response:
        with shell.released(request) as released:
            answer = answered(shell, released, request, COMPARE_KEYS, comparison, ROWS, is_drawn=True)
            return _shown(shell, request, answer)

    return [Route("/compare", page)]


def _shown(shell: Shell, request: Request, answer: Answered) -> Response:
    table = answer.chosen.study.tables[0]
    is_empty = not any(row["n"] for row in answer.study.rows("baseline_summary")) and not answer.trouble
    variable = answer.chosen.study.variables[table.rows[0].variable]
    drawn = (
        compare_charts.shares_by_group(answer)
        if is_count(variable)
        else compare_charts.values_by_group(answer)
    )
    has_numbers = not is_empty and bool(answer.study.rows("baseline_summary"))
    context: dict[str, Any] = {
        "charts": charts(drawn, compare_charts.effects(answer)),
        "printed": _tables(answer.study, table.table_id) if has_numbers else [],
        "title": gettext("%(variable)s by group", variable=worded(variable.label)),
        "nothing": gettext(
            "No patient of these groups has a value of %(variable)s here. Choose another visit or window, "
            "another variable, or other groups.",
            variable=worded(variable.label),
        ),
        **_form(answer),
    }
    return show(shell, request, "compare.html.j2", answer, context, is_empty=is_empty)


def _tables(study: StudyFrames, table_id: str) -> list[dict[str, Any]]:
    """The row of the report's table, set upright: a line for each group, then a line for each comparison."""
    printed = baseline_table(study, table_id)
    row = printed.rows[0]
    tests = {
        study.pair_label(c["group_a"], c["group_b"]) if c.get("group_a") else gettext("All groups"): c["test"]
        for c in study.rows("group_comparison")
    }
    columns = [c for c in printed.shown_columns if c.key not in (printed.columns[0].key, "test", "effect_is")]
    groups = [[c.label, c.second, *_texts(row.cell(c.key))] for c in columns if not c.spanner]
    compared: dict[str, list[str]] = {}
    for column in (c for c in columns if c.spanner):
        cells = compared.setdefault(
            column.spanner, [column.spanner, test_words(tests.get(column.spanner, ""))]
        )
        cells.append(" ".join(_texts(row.cell(column.key))).strip())
    heads = list(dict.fromkeys(c.label for c in columns if c.spanner))
    shown = as_table(printed)
    summary = {
        "title": gettext("Summary"),
        "columns": [
            gettext("Group"),
            gettext("Patients"),
            study.label_with_unit(row_name(study)),
            gettext("Known"),
        ],
        "rows": [[worded(cell) for cell in line] for line in groups],
        "notes": [] if compared or shown is None else shown["notes"],
    }
    if not compared:
        return [summary]
    tested = {
        "title": gettext("Tests"),
        "columns": [gettext("Comparison"), gettext("Test"), *map(worded, heads)],
        "rows": [[worded(cell) for cell in line] for line in compared.values()],
        "notes": shown["notes"] if shown else [],
    }
    return [summary, tested]


def _texts(cell: Cell) -> tuple[str, str]:
    return cell.text, cell.small


def row_name(study: StudyFrames) -> str:
    return str(study.rows("baseline_summary")[0]["variable"])


def _form(answer: Answered) -> dict[str, Any]:
    made, query, offer = answer.chosen.study, answer.query, answer.offer
    table, row = made.tables[0], made.tables[0].rows[0]
    variable = made.variables[row.variable]
    study = offer.studies.get(query.values.get("study", (next(iter(offer.studies), ""),))[-1])
    options = variable_options(offer, study)
    asked = query.values.get("variable", (row.variable,))[-1]
    n_groups = len(table.groups)
    return {
        "tables": [(t.table_id, f"{t.table_id}: {worded(t.title)}") for t in study.tables] if study else [],
        "table": query.values.get("table", (study.tables[0].table_id if study and study.tables else "",))[-1],
        "variables": sections(options),
        "variable": asked,
        "visits": [(visit, opened(visit)) for visit in offer.visits],
        "visit": table.visit,
        "window": table.window,
        "takes": [(take, gettext(TAKE_WORDS[take])) for take in TAKES],
        "is_count": is_count(variable),
        "limits": [(limit, gettext(LIMIT_WORDS[limit])) for limit in LIMITS],
        "limit": variable.censored,
        "transforms": [(t, gettext(TRANSFORM_WORDS[t])) for t in get_args(Transform)],
        "transform": row.transform,
        "summaries": [("median_iqr", gettext("median (quartiles)")), ("mean_sd", gettext("mean ± SD"))],
        "summary": row.summary,
        "tests": [(t, test_words(t) or t) for t in [*tests_of(variable, row.summary), NO_TEST]],
        "test": row.test,
        "overalls": [
            (t, test_words(t) or t) for t in [*overall_of(variable, row.summary, n_groups), NO_TEST]
        ],
        "overall": row.overall,
        "adjustments": [(a, a) for a in get_args(Adjustment)],
        "adjust": table.adjust,
    }


TAKE_WORDS = {
    "first": marked("the first"),
    "last": marked("the last"),
    "lowest": marked("the lowest"),
    "highest": marked("the highest"),
}
LIMIT_WORDS = {
    "exclude": marked("left out"),
    "limit": marked("counted as the limit"),
    "half_limit": marked("counted as half the limit"),
    "bounds": marked("kept as bounds"),
}
TRANSFORM_WORDS = {
    "none": marked("as measured"),
    "log": marked("logarithm"),
    "log1p": marked("log(1 + value)"),
    "sqrt": marked("square root"),
}
