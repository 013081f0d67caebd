"""The one module through which a study's numbers leave the house.

Belongs here: which tables, columns and rows of results leave, and what becomes of each number. Does not
belong here: the rule for one count (`analytics/words/disclosure.py`), how a summary is rounded
(`summaries.py`), what a page or table looks like (`analytics/printed/`).

`public_study` makes new rows of what may leave; it never passes a row on. So a table, a column or a status
that nobody has thought about stays inside. What follows from the rule that no whole is printed beside all of
its parts (`analytics/words/disclosure.py` has the proof that the rest gives no count away):

- No total over groups, no number missing, no reason for an exclusion, no strata.
- Of a variable with several levels, and of variables from one column of patients (female, male), one level
  leaves: the most frequent.
- A variable that counts an endpoint leaves without its denominator, because the curve says who left early.
- A group whose number is masked has no statistic; a statistic that compares it has neither.
- Statuses and notes ("no event in one group") stay inside: where a number is doubtful, it is not shown.
- Sentences that results make (findings, answers), printed values beside ours, parameters of models,
  competing risks and single patients stay inside.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analytics.public.curves import PublicPoint, public_curve
from analytics.public.fisher import says_nothing_more
from analytics.public.summaries import (
    PublicMean,
    difference,
    in_units,
    public_mean,
    public_quartiles,
    with_digits,
)
from analytics.study.frames import Record, StudyFrames, grouped, is_ok
from analytics.words.disclosure import (
    NOT_PRINTED,
    WITHHELD,
    Rounding,
    known,
    p_class,
    rounded,
)
from analytics.words.formatting import Public

FLOW_STEPS = ("in a group", "counted")  # the others are parts of these
MIXED, COX = ("mixed_model",), ("cox", "firth_cox")
EXACT_TEST = "fisher"
Z = 1.959964
_NUMBER_IN_WORDS = re.compile(r"(?<![A-Za-z0-9])\d")


@dataclass(frozen=True)
class PublicStudy(StudyFrames):
    """A study of which every number may leave the house. `public_study` makes it; it holds nothing else."""

    @property
    def is_public(self) -> bool:
        return True


def public_study(study: StudyFrames, rounding: Rounding) -> PublicStudy:
    """What may leave of a study."""
    inside = _Inside(study, rounding)
    tables: dict[str, list[Record]] = {
        "study": _columns(study.rows("study"), "title", "title_zh", "description"),
        "study_group": _groups(inside),
        "study_variable": _columns(
            study.rows("study_variable"), "variable", "label", "label_zh", "unit", "position"
        ),
        "study_endpoint": _columns(
            study.rows("study_endpoint"), "endpoint", "label", "label_zh", "horizon_months"
        ),
        "study_table": _columns(study.rows("study_table"), "table_id", "title", "title_zh", "position"),
        "cohort_flow": _flow(inside),
        "baseline_summary": _summaries(inside),
        "group_comparison": _comparisons(inside),
        "mixed_model_term": _mixed_terms(inside),
        "visit_contrast": _contrasts(inside),
        "trajectory_mean": _courses(inside),
        **_survival(inside),
        "log_rank": _log_rank(inside),
        "cox_term": _cox_terms(inside),
    }
    said = {r["model_id"] for t in ("mixed_model_term", "cox_term") for r in tables[t]}
    tables["model"] = [_model(r) for r in study.rows("model") if r["model_id"] in said]
    frames = {
        name: pd.DataFrame(rows).assign(study_id=study.study_id) for name, rows in tables.items() if rows
    }
    return PublicStudy(study.study_id, frames, study.data_note)


@dataclass(frozen=True)
class _Inside:
    """The study as it is, and which of its groups have a masked number of patients or of events."""

    study: StudyFrames
    rounding: Rounding

    def is_small(self, group: object) -> bool:
        row = self.study.groups.get(str(group))
        return row is None or self.rounding.is_masked(row.get("n"))

    def has_few_events(self, endpoint: object, group: object) -> bool:
        rows = self.study.rows("survival_median", endpoint=endpoint, group_id=group)
        return self.is_small(group) or not rows or self.rounding.is_masked(rows[0].get("events"))

    def groups_of_endpoint(self, endpoint: object) -> list[Any]:
        return self.study.distinct("survival_median", "group_id", endpoint=endpoint)

    def count(self, count: float | None) -> Public:
        return self.rounding.count(count)


def _columns(rows: Sequence[Record], *names: str) -> list[Record]:
    return [{name: row.get(name) for name in names} for row in rows]


def _groups(inside: _Inside) -> list[Record]:
    return [
        {c: r.get(c) for c in ("label", "label_zh", "position")}
        | {"group_id": g, "n": inside.count(r.get("n"))}
        for g, r in inside.study.groups.items()
    ]


def _flow(inside: _Inside) -> list[Record]:
    """How many of each group count for each analysis, without the reasons why others do not."""
    return [
        {
            "analysis": r["analysis"],
            "step": r["step"],
            "group_id": r["group_id"],
            "n": inside.count(r.get("n")),
            "reason": "",
            "position": r.get("position"),
        }
        for r in inside.study.rows("cohort_flow")
        if r.get("group_id") and r.get("step") in FLOW_STEPS
    ]


# --- tables at baseline ---------------------------------------------------------------------------------


def _summaries(inside: _Inside) -> list[Record]:
    rows = inside.study.rows("baseline_summary")
    printed = _levels_printed(inside.study, rows)
    return [_summary(inside, r, r["variable"] in printed) for r in rows]


def _levels_printed(study: StudyFrames, rows: Sequence[Record]) -> set[str]:
    """Variables, and levels of variables, of which no other printed one is a part of the same whole."""
    counts: dict[str, int] = {}
    for row in rows:
        if known(row.get("count")):
            counts[row["variable"]] = counts.get(row["variable"], 0) + int(row["count"])
    wholes: dict[str, list[str]] = {}
    for name in dict.fromkeys(r["variable"] for r in rows):
        variable = name.partition(":")[0]
        source = str((study.variables.get(variable) or {}).get("source") or "")
        whole = source if name in counts and source.startswith("patient.") else variable
        wholes.setdefault(whole, []).append(name)
    return {max(names, key=lambda name: counts.get(name, 0)) for names in wholes.values()}


def _summary(inside: _Inside, row: Record, is_printed: bool) -> Record:
    made = {c: row.get(c) for c in ("table_id", "variable", "group_id", "position")}
    n, missing = row.get("n"), int(row.get("n_missing") or 0)
    if not is_printed or inside.is_small(row["group_id"]):
        return made | {"count": _count_or_none(row, NOT_PRINTED), "display": NOT_PRINTED}
    if known(row.get("count")):
        if _counts_an_endpoint(inside.study, row):
            text = inside.count(row["count"]).text
            return made | {"count": Public(text), "display": text}
        text = _share(inside, row)
    else:
        text = _numbers(inside, row)
    differs = known(n) and rounded(n) != rounded(n + missing)
    return made | {
        "n": inside.count(n),
        "n_missing": int(differs),
        "count": _count_or_none(row, text),
        "display": text,
    }


def _count_or_none(row: Record, text: str) -> Public | None:
    return Public(text) if known(row.get("count")) else None


def _counts_an_endpoint(study: StudyFrames, row: Record) -> bool:
    variable = study.variables.get(row["variable"]) or {}
    return variable.get("source") == "endpoint" or row["variable"] in study.endpoints


def _share(inside: _Inside, row: Record) -> str:
    """``15 (75)``: the percentage of rounded counts."""
    if inside.rounding.is_masked(row.get("n")) or inside.rounding.is_masked(row["count"]):
        return inside.count(row["count"] if known(row.get("n")) else None).text
    count, n = rounded(row["count"]), rounded(row["n"])
    return f"{count} ({100 * count / n:.0f})"


def _numbers(inside: _Inside, row: Record) -> str:
    """``31 ± 12`` or ``30 (24, 41)``; of a median below a limit of detection, the limit."""
    if inside.rounding.is_masked(row.get("n")) or not is_ok(row):
        return NOT_PRINTED
    if _is_mean(row):
        mean = public_mean(row.get("mean"), row.get("sd"))
        return mean.text if mean else NOT_PRINTED
    made = public_quartiles(row)
    if made:
        low, middle, high = (in_units(value, made[1]) for value in made[0])
        return f"{middle} ({low}, {high})"
    limit = str(row.get("display") or "").partition(" ")[0]
    return limit if limit[:1] in ("<", ">") else NOT_PRINTED


def _is_mean(row: Record) -> bool:
    return "±" in str(row.get("display") or "")


def _comparisons(inside: _Inside) -> list[Record]:
    summaries = {
        (r["table_id"], r["variable"], r["group_id"]): r for r in inside.study.rows("baseline_summary")
    }
    printed = _levels_printed(inside.study, inside.study.rows("baseline_summary"))
    return [_comparison(inside, r, summaries, printed) for r in inside.study.rows("group_comparison")]


def _comparison(
    inside: _Inside, row: Record, summaries: Mapping[tuple[Any, ...], Record], printed: set[str]
) -> Record:
    made = {
        c: row.get(c)
        for c in (
            "table_id",
            "variable",
            "group_a",
            "group_b",
            "test",
            "effect_kind",
            "adjustment",
            "position",
        )
    } | {"p_value": WITHHELD, "p_adjusted": WITHHELD, "effect": WITHHELD, "method": _method(row)}
    if not row.get("group_a"):
        groups = [g for t, v, g in summaries if t == row["table_id"] and v == row["variable"]]
        compared = [summaries[row["table_id"], row["variable"], g] for g in groups]
        if (
            compared
            and not any(known(r.get("count")) for r in compared)
            and _may_compare(inside, row, compared)
        ):
            made |= {"p_value": p_class(row.get("p_value")), "p_adjusted": p_class(row.get("p_adjusted"))}
        return made
    a, b = (summaries.get((row["table_id"], row["variable"], row[g])) for g in ("group_a", "group_b"))
    if a is None or b is None or not _may_compare(inside, row, [a, b]):
        return made
    if known(a.get("count")):
        tells_nothing = row["variable"] in printed and _class_tells_nothing(inside, row, a, b)
        return made | ({"p_value": p_class(row["p_value"])} if tells_nothing else {})
    return made | {
        "p_value": p_class(row.get("p_value")),
        "p_adjusted": p_class(row.get("p_adjusted")),
        "effect": Public(_effect(row, a, b) or NOT_PRINTED),
    }


def _may_compare(inside: _Inside, row: Record, summaries: Sequence[Record]) -> bool:
    return is_ok(row) and not any(
        inside.is_small(s["group_id"]) or inside.rounding.is_masked(s.get("n")) for s in summaries
    )


def _class_tells_nothing(inside: _Inside, row: Record, a: Record, b: Record) -> bool:
    counts = (a.get("count"), b.get("count"))
    if row.get("test") != EXACT_TEST or not known(row.get("p_value")):
        return False
    if _counts_an_endpoint(inside.study, a) or any(map(inside.rounding.is_masked, counts)):
        return False
    return says_nothing_more(row["p_value"], int(a["count"]), int(a["n"]), int(b["count"]), int(b["n"]))


def _effect(row: Record, a: Record, b: Record) -> str:
    """A difference of printed means with its interval, or a shift to two digits."""
    if row.get("effect_kind") == "hodges_lehmann_shift":
        return with_digits(row.get("effect"))
    first, second = _mean_of(a), _mean_of(b)
    if row.get("effect_kind") != "mean_difference" or first is None or second is None:
        return ""
    return difference(first, rounded(a["n"]), second, rounded(b["n"]))


def _mean_of(row: Record) -> PublicMean | None:
    return public_mean(row.get("mean"), row.get("sd")) if _is_mean(row) else None


# --- courses --------------------------------------------------------------------------------------------


def _mixed_terms(inside: _Inside) -> list[Record]:
    rows = inside.study.rows("mixed_model_term")
    return [
        {c: r.get(c) for c in ("model_id", "response", "term", "test")}
        | {"p_value": p_class(r.get("p_value"))}
        for r in rows
        if is_ok(r) and _mixed_model_leaves(inside, r["model_id"])
    ]


def _mixed_model_leaves(inside: _Inside, model_id: object) -> bool:
    models = inside.study.rows("model", model_id=model_id)
    means = inside.study.distinct("marginal_mean", "group_id", model_id=model_id)
    is_fit = bool(models) and is_ok(models[0]) and models[0].get("kind") in MIXED
    return is_fit and bool(means) and not any(map(inside.is_small, means))


def _contrasts(inside: _Inside) -> list[Record]:
    """Differences at a visit, to one digit of their interval, which itself stays inside."""
    made = []
    for row in inside.study.rows("visit_contrast"):
        few = any(_few_at(inside, row, row[g]) for g in ("group_a", "group_b"))
        if few or not is_ok(row) or not _mixed_model_leaves(inside, row["model_id"]):
            continue
        keys = ("model_id", "response", "visit", "group_a", "group_b", "adjustment")
        made.append(
            {c: row.get(c) for c in keys}
            | {
                "estimate": Public(_to_its_interval(row) or NOT_PRINTED),
                "p_value": p_class(row.get("p_value")),
                "p_adjusted": p_class(row.get("p_adjusted")),
            }
        )
    return made


def _few_at(inside: _Inside, row: Record, group: object) -> bool:
    at_visit = inside.study.rows(
        "trajectory_mean", response=row.get("response"), visit=row["visit"], group_id=group
    )
    return any(inside.rounding.is_masked(r.get("n")) for r in at_visit)


def _to_its_interval(row: Record) -> str:
    estimate, low, high = (
        float(row[c]) if known(row.get(c)) else math.nan for c in ("estimate", "ci_low", "ci_high")
    )
    if not math.isfinite(estimate + low + high) or high <= low:
        return ""
    return in_units(estimate, 10.0 ** math.floor(math.log10((high - low) / 2)))


def _courses(inside: _Inside) -> list[Record]:
    return [
        made
        for r in inside.study.rows("trajectory_mean")
        if not inside.is_small(r["group_id"])
        and not inside.rounding.is_masked(r.get("n"))
        and (made := _average(r))
    ]


def _average(row: Record) -> Record:
    """A visit's mean with the interval of the printed numbers, and its quartiles."""
    mean = public_mean(row.get("mean"), row.get("sd"))
    found = public_quartiles(row)
    if mean is None or found is None:
        return {}
    low, high = mean.interval(rounded(row["n"]))
    return {c: row.get(c) for c in ("response", "group_id", "visit", "nominal_month")} | {
        "mean": mean.mean,
        "ci_low": low,
        "ci_high": high,
        **dict(zip(("q1", "median", "q3"), found[0], strict=True)),
    }


# --- time to an event -----------------------------------------------------------------------------------


def _survival(inside: _Inside) -> dict[str, list[Record]]:
    tables: dict[str, list[Record]] = {"survival_median": [], "survival_curve": [], "survival_at_risk": []}
    for row in inside.study.rows("survival_median"):
        endpoint, group = row["endpoint"], row["group_id"]
        keys = {"endpoint": endpoint, "group_id": group}
        is_masked = inside.has_few_events(endpoint, group)
        points = [] if is_masked else _points(inside, row)
        made = {"n": inside.count(row.get("n")), "events": inside.count(row.get("events"))}
        tables["survival_median"].append(keys | made | {"median": _median(points)})
        for point in points:
            left = inside.count(point.at_risk)
            tables["survival_curve"].append(keys | {"time": point.time, "survival": point.free})
            tables["survival_at_risk"].append(keys | {"time": point.time, "at_risk": left})
    return tables


def _points(inside: _Inside, row: Record) -> list[PublicPoint]:
    where = {"endpoint": row["endpoint"], "group_id": row["group_id"]}
    times = sorted(r["time"] for r in inside.study.rows("survival_at_risk", **where) if known(r.get("time")))
    return public_curve(
        inside.study.rows("survival_curve", **where), int(row["n"]), int(row["events"]), times
    )


def _median(points: Sequence[PublicPoint]) -> Public:
    """By which printed time half had the event, read off the printed curve."""
    if not points:
        return WITHHELD
    reached = next((p.time for p in points if p.free <= 0.5), None)
    return Public("not reached" if reached is None else f"by month {reached:g}")


def _log_rank(inside: _Inside) -> list[Record]:
    rows = inside.study.rows("log_rank")
    few = {
        endpoint: [g for g in inside.groups_of_endpoint(endpoint) if inside.has_few_events(endpoint, g)]
        for endpoint in dict.fromkeys(r["endpoint"] for r in rows)
    }
    made = []
    for row in rows:
        pair = [row[g] for g in ("group_a", "group_b") if row.get(g)]
        compared = pair or inside.groups_of_endpoint(row["endpoint"])
        leaves = is_ok(row) and not set(compared) & set(few[row["endpoint"]])
        adjusted = leaves and not few[row["endpoint"]]  # it rests on the p values of all pairs
        made.append(
            {c: row.get(c) for c in ("endpoint", "scope", "group_a", "group_b", "adjustment")}
            | {
                "p_value": p_class(row.get("p_value")) if leaves else WITHHELD,
                "p_adjusted": p_class(row["p_adjusted"])
                if adjusted and known(row.get("p_adjusted"))
                else None,
                "method": _method(row),
            }
        )
    return made if any(r["p_value"] is not WITHHELD for r in made) else []


def _cox_terms(inside: _Inside) -> list[Record]:
    """Ratios of hazards of groups whose events are printed; a model of which nothing leaves is left out."""
    kinds = {m["model_id"]: m for m in inside.study.rows("model")}
    made = []
    for (model_id,), rows in grouped(inside.study.rows("cox_term"), "model_id"):
        model = kinds.get(model_id)
        if model is None or not is_ok(model) or model.get("kind") not in COX:
            continue
        ratios = [(r, _ratio(inside, r)) for r in rows]
        if any(ratio for _, ratio in ratios):
            made += [_cox_term(r, ratio) for r, ratio in ratios]
    return made


def _cox_term(row: Record, ratio: str) -> Record:
    return {c: row.get(c) for c in ("model_id", "endpoint", "term", "variable", "reference")} | {
        "hazard_ratio": Public(ratio or NOT_PRINTED),
        "p_value": p_class(row.get("p_value")) if ratio else WITHHELD,
    }


def _ratio(inside: _Inside, row: Record) -> str:
    """A ratio to one digit. Of two groups with an interval that rests on the rounded numbers of events
    (Parmar, Torri and Stewart 1998); empty where it may not leave.
    """
    level, endpoint = inside.study.group_of_term(row["term"]), row["endpoint"]
    compared = [level, row.get("reference")] if level else inside.groups_of_endpoint(endpoint)
    ratio = row.get("hazard_ratio")
    if not is_ok(row) or not known(ratio) or not math.isfinite(ratio) or ratio <= 0:
        return ""
    if not compared or any(g is None or inside.has_few_events(endpoint, g) for g in compared):
        return ""
    text = with_digits(ratio, 1)
    if level is None:
        return text
    reach = Z * math.sqrt(sum(1 / rounded(_events(inside, endpoint, g)) for g in compared))
    middle = math.log(float(text))
    return (
        f"{text} ({with_digits(math.exp(middle - reach), 1)} to {with_digits(math.exp(middle + reach), 1)})"
    )


def _events(inside: _Inside, endpoint: object, group: object) -> float:
    return float(inside.study.rows("survival_median", endpoint=endpoint, group_id=group)[0]["events"])


def _model(row: Record) -> Record:
    keys = ("model_id", "kind", "title", "title_zh", "response", "endpoint", "formula_text")
    return {c: row.get(c) for c in keys} | {"method": _method(row)}


def _method(row: Record) -> str:
    """The method in words, without a part that holds a number: it may count patients."""
    parts = [p.strip() for p in re.split(r"[,;]", str(row.get("method") or ""))]
    return ", ".join(p for p in parts if p and not _NUMBER_IN_WORDS.search(p))
