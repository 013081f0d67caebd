"""The page Courses: a variable over visits, single courses and the means and contrasts of a mixed model.

Belongs here: what the page asks of the results, and its form. Does not belong here: choices
(`course_choices.py`), charts (`course_charts.py`), any computing.
"""

from __future__ import annotations

from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analytics.printed.model_tables import contrast_table, marginal_mean_table, model_term_tables
from analytics.study.parts import Adjustment, Transform
from analytics.words.disclosure import known
from orchestration.pages import course_charts
from orchestration.pages.chart_parts import charts
from orchestration.pages.chosen import OWN, Chosen
from orchestration.pages.compare import TRANSFORM_WORDS
from orchestration.pages.course_choices import COURSE_KEYS, course, measured_options
from orchestration.pages.language import gettext
from orchestration.pages.questions import Answered, answered, as_table, sections, show
from orchestration.pages.shell import Shell
from orchestration.pages.words import opened, worded


def _of_model(chosen: Chosen) -> dict[str, object]:
    return {"model_id": chosen.study.mixed_models[0].model_id}


def _of_response(chosen: Chosen) -> dict[str, object]:
    model = chosen.study.mixed_models[0]
    return {"response": model.response, "group_id": model.groups}


ROWS = {
    **dict.fromkeys(("model", "mixed_model_term", "visit_contrast", "marginal_mean"), _of_model),
    **dict.fromkeys(("trajectory_patient", "trajectory_mean"), _of_response),
}
OF_THE_MEANS = (contrast_table, marginal_mean_table)


def routes(shell: Shell) -> list[Route]:
    def page(request: Request) -> Response:
        with shell.released(request) as released:
            answer = answered(shell, released, request, COURSE_KEYS, course, ROWS)
            return _shown(shell, request, answer)

    return [Route("/courses", page)]


def _shown(shell: Shell, request: Request, answer: Answered) -> Response:
    model = answer.chosen.study.mixed_models[0]
    label = worded(answer.chosen.study.variables[model.response].label)
    is_empty = not answer.study.rows("trajectory_patient") and not answer.trouble
    has_means = any(known(row["estimate"]) for row in answer.study.rows("marginal_mean"))
    found = [] if is_empty else [
        *model_term_tables(answer.study, printed=True), *model_term_tables(answer.study, printed=False),
        *(table(answer.study, [model.model_id]) for table in OF_THE_MEANS if has_means),
    ]  # fmt: skip
    fitted = next(iter(answer.study.rows("model")), {})
    context: dict[str, Any] = {
        "charts": charts(
            course_charts.courses(answer), course_charts.model_means(answer), course_charts.contrasts(answer)
        ),
        "printed": [table for table in (as_table(printed) for printed in found) if table],
        "title": gettext("%(variable)s over visits", variable=label),
        "model_told": answer.study.remarks(fitted) if fitted else (),
        "formula": fitted.get("formula_text", ""),
        "nothing": gettext(
            "No patient of these groups has a value of %(variable)s at these visits. Choose other visits, "
            "another variable, or other groups.",
            variable=label,
        ),
        **_form(answer),
    }
    return show(shell, request, "courses.html.j2", answer, context, is_empty=is_empty)


def _form(answer: Answered) -> dict[str, Any]:
    query, offer, model = answer.query, answer.offer, answer.chosen.study.mixed_models[0]
    study = offer.studies.get(query.values.get("study", (next(iter(offer.studies), ""),))[-1])
    models = [(m.model_id, worded(m.title)) for m in study.mixed_models] if study else []
    named = model.model_id if model.model_id in dict(models) else OWN
    return {
        "models": [*models, (OWN, gettext("another variable"))],
        "model": named,
        "variables": sections(measured_options(offer, study)),
        "variable": query.values.get("variable", (model.response,))[-1] if named == OWN else model.response,
        "visits": [(visit, opened(visit), visit in model.visits) for visit in offer.visits],
        "transforms": [(t, gettext(TRANSFORM_WORDS[t])) for t in get_args(Transform)],
        "transform": model.transform,
        "randoms": [("intercept", gettext("a level")), ("intercept_slope", gettext("a level and a slope"))],
        "random": model.random,
        "serials": [("none", gettext("none")), ("ar1", "AR(1)"), ("car1", gettext("continuous AR(1)"))],
        "serial": model.serial,
        "adjustments": [(a, a) for a in get_args(Adjustment)],
        "adjust": model.adjust,
    }
