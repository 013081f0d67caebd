"""The R script of one study: what it says of itself, R's functions, a call for every analysis of the study.

Belongs here: the text of the script. Does not belong here: R's functions (`*.R`, one file per part), frames,
numbers.

The script holds only the parts that the study needs, so a study without a mixed model does not require nlme.
Everything from the study file enters as an R literal or as a comment.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources

from analytics.declared_tests import (
    BOUNDED,
    COUNT,
    MANY,
    MEASUREMENT,
    ORDERED_TIMES,
    TIME_TO_EVENT,
    TWO,
    StatisticalTest,
    statistical_tests,
)
from analytics.study.analyses import BaselineTable, CoxModel, MixedModel, RecurrentEvents, SurvivalAnalysis
from analytics.study.file import Study
from analytics.study.parts import TABLE_RESPONSES

WIDTH = 116
SERIAL = {
    "none": "NULL",
    "ar1": "corAR1(form = ~ visit_index | patient)",
    "car1": "corCAR1(form = ~ months | patient)",
}
SCALES = {
    "none": "identity",
    "log": "function(v) log(ifelse(v > 0, v, NA))",
    "log1p": "function(v) log1p(ifelse(v > -1, v, NA))",
    "sqrt": "function(v) sqrt(ifelse(v >= 0, v, NA))",
}
KENWARD_ROGER = "kenward_roger_f"
CODINGS = {"sum": "contr.sum", "treatment": "contr.treatment"}


@dataclass(frozen=True)
class ReleaseIdentity:
    """What a replay says of the release that its numbers come from."""

    release_id: str
    registry_name: str = ""
    synthetic: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """The file of each table, mixed model, endpoint and model of recurrent events, by id."""

    tables: Mapping[str, str]
    visits: Mapping[str, str]
    times: Mapping[str, str]
    intervals: Mapping[str, str]


def script(study: Study, release: ReleaseIdentity, files: Files) -> str:
    """The text of ``replay.R``."""
    parts = [_header(study, release), _part("ledger")]
    if study.tables:
        parts.append(_part("tables"))
    if _bounded(study):
        parts.append(_part("bounds"))
    if study.mixed_models:
        parts.append(_part("mixed_models"))
    if study.survival or study.cox or study.recurrent_events:
        parts.append(_part("survival"))
    if any(m.method == "firth_cox" for m in study.cox):
        parts.append(_part("firth"))
    if study.recurrent_events or any(s.restricted_mean_months for s in study.survival):
        parts.append(_part("further_events"))
    return "\n".join([*parts, _tests(study), _study(study, files), _part("verdict")])


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.R").read_text(encoding="utf-8")


# the tests that the study names, each answered by the R of its declaration

_LISTS = {
    (MEASUREMENT, TWO): ("two_group_tests", "a, b"),
    (COUNT, TWO): ("two_group_tests", "a, b"),
    (BOUNDED, TWO): ("bounded_tests", "x"),
    (MEASUREMENT, MANY): ("many_group_tests", "x, group"),
    (COUNT, MANY): ("many_group_tests", "x, group"),
    (TIME_TO_EVENT, MANY): ("time_to_event_tests", "data"),
    (ORDERED_TIMES, MANY): ("ordered_times_tests", "data"),
}


def _named_tests(study: Study) -> dict[str, StatisticalTest]:
    """The tests of tables and curves that the study names and that R answers, by id in the order of
    declaration.
    """
    rows = [row for table in study.tables for row in table.rows]
    named = {name for row in rows for name in (row.test, row.overall, *row.tests.values())}
    named |= {s.weights for s in study.survival} | {"log_rank_trend" for s in study.survival if s.trend}
    found = statistical_tests(*{response for response, _ in _LISTS})
    return {name: test for name, test in found.items() if name in named and test.in_r}


def _tests(study: Study) -> str:
    lists: dict[str, list[str]] = {}
    for name, test in _named_tests(study).items():
        into, arguments = _LISTS[test.response, test.groups]
        if test.in_r is not None:
            lists.setdefault(into, []).append(f"  {name} = function({arguments}) {test.in_r.call}")
    heading = f"## ---- The tests that the study names {'-' * 80}"
    return "\n".join(
        [heading, "", *(f"{into} <- list(\n{_joined(tests)})" for into, tests in lists.items()), ""]
    )


def _joined(lines: list[str]) -> str:
    return ",\n".join(lines)


# what the script says of itself

FILES = """\
patients_<table>.csv  one row per patient: number, group, the table's variables at its visit (yes 1, no 0)
visits_<model>.csv    one row per patient and visit: scheduled month, index of the visit, value, covariates
times_<endpoint>.csv  one row per patient: months to the event (1) or to the last contact (0), covariates
intervals_<model>.csv one row per patient and interval that ends in an event (1) or not (0), in months
ours.csv              one row per number of ours, and how closely R must find it
not_replayed.csv      what is not compared, with the reason"""


def _header(study: Study, release: ReleaseIdentity) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in release.versions.items())
    paragraphs = [
        f"Replay in R of study {study.study}, release {release.release_id}",
        study.title,
        *(["SYNTHETIC DATA: nobody in these frames exists."] if release.synthetic else []),
        "",
        f"Registry: {release.registry_name or 'not named'}. The numbers under test were computed with"
        f" {versions or 'versions not recorded'}; R took no part in them.",
        "",
        "Run it in this folder:  Rscript replay.R",
        f"It needs R 4.2 or later with {_packages(study)} (all in Debian 12), and no network.",
        "",
        "It reads the data of every analysis, computes each table and model again with R's own functions and"
        " compares number by number with ours.csv. It prints a count per kind of result, every difference and"
        " what is not replayed and why; it writes comparison.csv. Its exit status is 1 if a number differs.",
        "",
        *FILES.splitlines(),
        "",
        "Patients are running numbers, the same in every file; an empty cell is a missing value. A value "
        "past a detection limit stands as the study file says (variables: censored; as bounds in two "
        "columns, lower and upper). Numbers carry all digits, so that reading them gives the same doubles.",
        *_caution(release),
    ]
    return "\n".join(_comment(paragraph) for paragraph in paragraphs) + "\n"


def _caution(release: ReleaseIdentity) -> list[str]:
    if release.synthetic:
        return []
    return ["", "The frames hold single patients' values: they never leave the house."]


def _packages(study: Study) -> str:
    needed = []
    if study.mixed_models:
        needed += ["nlme", "car", "emmeans"]
    if any(KENWARD_ROGER in (m.test, *m.beside) for m in study.mixed_models):
        needed += ["lme4", "pbkrtest"]
    if study.survival or study.cox or study.recurrent_events or _bounded(study):
        needed.append("survival")
    if any(s.method == "exact" for s in study.survival):
        needed.append("coin")
    needed += [
        package for test in _named_tests(study).values() if test.in_r for package in test.in_r.packages
    ]
    needed = list(dict.fromkeys(needed))
    return ", ".join(needed) or "nothing more"


def _bounded(study: Study) -> set[str]:
    """Variables of the tables whose values beyond a limit stay bounds."""
    rows = [row.variable for table in study.tables for row in table.rows]
    return {name for name in rows if study.variables[name].censored == "bounds"}


def _comment(text: str) -> str:
    """Lines of comment; a line break in a study's text cannot end them."""
    flat = text if text in FILES else " ".join(text.split())
    return "\n".join(f"# {line}" for line in textwrap.wrap(flat, WIDTH, break_on_hyphens=False)) or "#"


# the calls of the study


def _study(study: Study, files: Files) -> str:
    lines = [f"## ---- The study {'-' * 97}"]
    for table in study.tables:
        lines += ["", *_table(table, files.tables[table.table_id], _bounded(study))]
    first_of = {m.response: m for m in reversed(study.mixed_models)}
    for response in dict.fromkeys(m.response for m in study.mixed_models):
        model = first_of[response]
        named = {"visits": _texts(model.visits)}
        lines += ["", _call("courses", [_text(response), _text(files.visits[model.model_id])], named)]
    for model in study.mixed_models:
        lines += ["", *_mixed_model(model, files.visits[model.model_id])]
    for spec in (s for s in study.survival if not study.endpoints[s.endpoint].is_truncated):
        lines += ["", *_survival(spec, files.times[spec.endpoint])]
    for cox in (c for c in study.cox if not study.endpoints[c.endpoint].is_truncated):
        lines += ["", *_cox(cox, files.times[cox.endpoint])]
    for recurrent in study.recurrent_events:
        lines += ["", *_recurrent(recurrent, files.intervals[recurrent.model_id])]
    return "\n".join(lines) + "\n"


def _table(table: BaselineTable, file: str, bounded: set[str]) -> list[str]:
    opening = _call(
        "baseline_table",
        [_text(table.table_id), _text(file)],
        {"groups": _texts(table.groups), "reference": _text(table.reference)},
    )
    lines = [
        _comment(
            f"Table {table.table_id}: {table.title} ({'visit: ' if table.window is None else ''}{table.when})"
        ),
        f"table <- {opening}",
    ]
    others = [g for g in table.groups if g != table.reference]
    replayed = {name for name, test in statistical_tests(*TABLE_RESPONSES).items() if test.in_r}
    for row in table.rows:
        tests = {g: row.tests.get(g, row.test) for g in others}
        named = ", ".join(f"{_text(g)} = {_text(t)}" for g, t in tests.items() if t in replayed)
        is_bounded = row.variable in bounded
        function = "describe_and_test_bounds" if is_bounded else "describe_and_test"
        arguments = ["table", _text(row.variable), *([] if is_bounded else [_text(row.summary)])]
        lines.append(_call(function, [*arguments, f"c({named})"] if named else arguments))
        if row.overall in replayed:
            lines.append(_call("test_overall", ["table", _text(row.variable), _text(row.overall)]))
    return [*lines, _call("adjust", ["table", _text(table.adjust)])]


def _mixed_model(model: MixedModel, file: str) -> list[str]:
    named = {
        "groups": _texts(model.groups),
        "visits": _texts(model.visits),
        "scale": SCALES[model.transform],
        "covariates": _texts(model.covariates),
        "random": "~ 1" if model.random == "intercept" else f"~ {model.slope}",
        "correlation": SERIAL[model.serial],
        "method": _text(model.method.upper()),
        "coding": _text(CODINGS[model.contrasts]),
        "test": _text(KENWARD_ROGER if KENWARD_ROGER in (model.test, *model.beside) else model.test),
        "adjust": _text(model.adjust),
    }
    return [_comment(model.title), _call("mixed_model", [_text(model.model_id), _text(file)], named)]


def _survival(spec: SurvivalAnalysis, file: str) -> list[str]:
    named = {
        "groups": _texts(spec.groups),
        "at_risk_months": f"c({', '.join(f'{t:.15g}' for t in spec.at_risk_months)})",
        "pairwise": "TRUE" if spec.pairwise else "FALSE",
        "adjust": _text(spec.adjust),
        "weights": _text(spec.weights),
        "method": _text(spec.method),
        "trend": "TRUE" if spec.trend else "FALSE",
        "strata": _texts(spec.strata),
    }
    lines = [_comment(spec.title), _call("survival_analysis", [_text(spec.endpoint), _text(file)], named)]
    if spec.restricted_mean_months:
        named = {
            "groups": named["groups"],
            "months": f"{spec.restricted_mean_months:.15g}",
            "adjust": named["adjust"],
        }
        lines.append(_call("restricted_means", [_text(spec.endpoint), _text(file)], named))
    return lines


def _cox(model: CoxModel, file: str) -> list[str]:
    named = {
        "groups": _texts(model.groups),
        "terms": _texts(model.terms),
        "strata": _texts(model.strata),
        **({"ties": _text(model.ties)} if model.method == "cox" else {}),
    }
    function = "cox_model" if model.method == "cox" else "firth_model"
    return [_comment(model.title), _call(function, [_text(model.model_id), _text(file)], named)]


def _recurrent(model: RecurrentEvents, file: str) -> list[str]:
    named = {
        "groups": _texts(model.groups),
        "terms": _texts(model.terms),
        "method": _text(model.method),
        "max_events": "NA" if model.max_events is None else str(model.max_events),
    }
    return [_comment(model.title), _call("recurrent_model", [_text(model.model_id), _text(file)], named)]


# R literals


def _text(value: str) -> str:
    """A string literal. Characters other than printable ASCII become escapes, so no locale changes them."""
    escaped = "".join(
        f"\\{c}" if c in '\\"' else c if " " <= c <= "~" else f"\\U{{{ord(c):x}}}" for c in value
    )
    return f'"{escaped}"'


def _texts(values: Iterable[str]) -> str:
    found = [_text(v) for v in values]
    return f"c({', '.join(found)})" if found else "character(0)"


def _call(function: str, arguments: list[str], named: Mapping[str, str] | None = None) -> str:
    """A call on one line; where it is too long, named arguments, or the last one, have lines of their own."""
    apart = [f"{name} = {value}" for name, value in (named or {}).items()]
    one_line = f"{function}({', '.join([*arguments, *apart])})"
    if len(one_line) <= WIDTH:
        return one_line
    together, apart = (arguments, apart) if apart else (arguments[:-1], arguments[-1:])
    return ",\n  ".join([f"{function}({', '.join(together)}", *apart]) + ")"
