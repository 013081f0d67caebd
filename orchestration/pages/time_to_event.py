"""The page Time to event: curves, tests, medians, restricted means, incidence, hazard ratios of an endpoint.

Belongs here: what the page asks of the results, and its form. Does not belong here: choices
(`time_choices.py`), charts (`time_charts.py`), any computing.
"""

from __future__ import annotations

from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analytics.declared_tests import TIME_TO_EVENT, statistical_tests
from analytics.printed.model_tables import (
    cox_table,
    further_ratio_table,
    incidence_table,
    log_rank_table,
    survival_summary_table,
)
from analytics.printed.strata_table import survival_strata_table
from analytics.study.frames import StudyFrames, is_ok
from analytics.study.parts import Adjustment
from analytics.words.formatting import format_p
from analytics.words.wording import test_words
from orchestration.pages import time_charts
from orchestration.pages.chart_parts import charts
from orchestration.pages.chosen import OWN, Chosen
from orchestration.pages.language import gettext
from orchestration.pages.offered import CODED
from orchestration.pages.questions import Answered, answered, as_table, show
from orchestration.pages.shell import Shell
from orchestration.pages.time_choices import STRATA, TIME_KEYS, time_to_event
from orchestration.pages.words import opened, worded


def _of_endpoint(chosen: Chosen) -> dict[str, object]:
    return {"endpoint": chosen.study.survival[0].endpoint}


ROWS = dict.fromkeys(
    (
        "survival_curve", "survival_at_risk", "survival_median", "survival_by_stratum", "log_rank",
        "restricted_mean",
        "cox_term", "cumulative_incidence", "gray_test", "model",
    ),
    _of_endpoint,
)  # fmt: skip


def routes(shell: Shell) -> list[Route]:
    def page(request: Request) -> Response:
        with shell.released(request) as released:
            answer = answered(shell, released, request, TIME_KEYS, time_to_event, ROWS)
            return _shown(shell, request, answer)

    return [Route("/time-to-event", page)]


def _shown(shell: Shell, request: Request, answer: Answered) -> Response:
    spec = answer.chosen.study.survival[0]
    endpoint = answer.chosen.study.endpoints[spec.endpoint]
    followed = sum(row["n"] for row in answer.study.rows("survival_median"))
    is_empty = not followed and not answer.trouble
    incidence = next(iter(answer.study.rows("cumulative_incidence")), {}).get("model_id")
    found = [] if is_empty else [
        survival_summary_table(answer.study, spec.endpoint), log_rank_table(answer.study, spec.endpoint),
        survival_strata_table(answer.study, spec.endpoint), cox_table(answer.study, spec.endpoint),
        further_ratio_table(answer.study, spec.endpoint),
        incidence_table(answer.study, str(incidence)) if incidence else None,
    ]  # fmt: skip
    tables = [table for table in (as_table(printed) for printed in found) if table]
    if (means := _restricted_means(answer.study)) and not is_empty:
        tables.insert(2, means)
    origin = worded(endpoint.origin.replace("_", " "))
    context: dict[str, Any] = {
        "charts": [] if is_empty else charts(
            time_charts.curves(answer), *time_charts.hazard_ratios(answer), time_charts.incidence(answer)
        ),
        "printed": tables,
        "title": gettext(
            "%(endpoint)s within %(months)g months of %(origin)s",
            endpoint=worded(endpoint.label), months=endpoint.horizon_months, origin=origin,
        ),
        "counts_late": endpoint.is_truncated,
        "nothing": gettext(
            "Nobody of these groups is followed from %(origin)s. Choose another beginning of time, or "
            "other groups.",
            origin=origin,
        ),
        **_form(answer),
    }  # fmt: skip
    return show(shell, request, "time_to_event.html.j2", answer, context, is_empty=is_empty)


def _restricted_means(study: StudyFrames) -> dict[str, Any] | None:
    """Mean time without the event up to the horizon, by group and between pairs."""
    rows = study.rows("restricted_mean")
    if not rows:
        return None
    shown = []
    for row in rows:
        is_pair = row.get("scope") == "pairwise"
        name = (
            worded(study.pair_label(row["group_a"], row["group_b"]))
            if is_pair
            else study.group_label(row["group_a"])
        )
        has_number = is_ok(row) and row.get("estimate") is not None
        number = f"{row['estimate']:.1f} ({row['ci_low']:.1f} to {row['ci_high']:.1f})" if has_number else "–"
        p_values = [format_p(row.get(c)) if is_pair else "" for c in ("p_value", "p_adjusted")]
        shown.append([name, worded(number), *p_values])
    months = rows[0]["tau_months"]
    return {
        "title": gettext("Mean months without the event, of the first %(months)g", months=months),
        "columns": [
            gettext("Group or pair"),
            gettext("Months, or their difference (95%% CI)"),
            "p",
            worded("adj. p"),
        ],
        "rows": shown,
        "notes": [worded(note) for note in study.remarks(*rows)],
    }


def _form(answer: Answered) -> dict[str, Any]:
    query, offer, made = answer.query, answer.offer, answer.chosen.study
    spec = made.survival[0]
    endpoint = made.endpoints[spec.endpoint]
    study = offer.studies.get(query.values.get("study", (next(iter(offer.studies), ""),))[-1])
    stated = {name: worded(e.label) for name, e in study.endpoints.items()} if study else {}
    events = {**offer.events, **{e: opened(e) for e in (*endpoint.events, *endpoint.competing)}}
    visits = [
        (visit, gettext("visit: %(visit)s", visit=opened(visit)))
        for visit in offer.visits
        if visit != "baseline"
    ]
    return {
        "endpoints": [*stated.items(), (OWN, gettext("another event"))],
        "endpoint": answer.chosen.stated,
        "events": [(e, label, e in endpoint.events) for e, label in sorted(events.items())],
        "competing": [(e, label, e in endpoint.competing) for e, label in sorted(events.items())],
        "origins": [
            ("baseline", gettext("baseline")), ("onset", gettext("onset of disease")),
            ("first_treatment", gettext("first treatment")), *visits,
        ],
        "origin": endpoint.origin,
        "horizon": f"{endpoint.horizon_months:g}",
        "truncation": "yes" if endpoint.left_truncation else "no",
        "strata": [(s, gettext(CODED[s]), s in spec.strata) for s in STRATA],
        "weights": [(t, test_words(t)) for t in statistical_tests(TIME_TO_EVENT)],
        "weight": spec.weights,
        "adjustments": [(a, a) for a in get_args(Adjustment)],
        "adjust": spec.adjust,
    }  # fmt: skip
