"""What a printed number was computed from: whose patients, which values, which parts of the study file.

Follows from the study file alone, so that two releases can be asked whether an input of a number differs.
Belongs here: the inputs of a row of results, and the state of an input by patient. Does not belong here:
comparing two releases (`orchestration/diff/`), the columns behind a table (`columns_read.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analytics.study.cohort import KEY, Cohort
from analytics.study.file import Study
from analytics.study.groups_and_variables import Endpoint, Variable, Window

MEMBERS, VALUE, ENDPOINT, COURSE = "members", "value", "endpoint", "course"
NO_GROUP = ""  # the group of patients who are in none
WORDS = ("label", "title", "description", "question", "unit")  # they decide no number
FROM_RESULTS = ("finding", "reproduction", "sensitivity_question")
STATED_ONLY = ("norm_band", "study", "study_variable", "study_endpoint", "study_table")
MODELS = ("mixed_models", "repeated_measures", "cox", "competing_risks", "recurrent_events")
OF_ONE_GROUP = (
    "baseline_summary",
    "survival_curve",
    "survival_at_risk",
    "survival_median",
    "survival_by_stratum",
    "cumulative_incidence",
    "trajectory_mean",
    "study_group",
    "cohort_flow",
)
Stated = dict[str, Any]


@dataclass(frozen=True)
class Input:
    """One input of a number: who is a member, a variable's value at a visit, the time to an endpoint, or
    every event of one.
    """

    kind: str  # one of the four words above
    name: str = ""
    visit: str | Window = ""


@dataclass(frozen=True)
class Reads:
    """What a number was computed from. Empty ``groups`` means patients of every group. ``stated``: the parts
    of the study file that decide it, without labels.
    """

    groups: tuple[str, ...]
    inputs: tuple[Input, ...]
    stated: str = ""


def reads_of(study: Study, table: str, row: Mapping[str, Any], quantity: str = "") -> Reads | None:
    """What the ``quantity`` of a row of results was computed from; None if the study has no such part."""
    part = _part_of(study, table, row)
    if part is None:
        return None
    found = _narrowed(study, table, row, quantity, _of_part(study, part))
    inputs = tuple(dict.fromkeys(found.inputs)) or (Input(MEMBERS),)
    return Reads(found.groups, inputs, _stated(study, part, inputs))


def _part_of(study: Study, table: str, row: Mapping[str, Any]) -> Any:
    """The part of the study file that asks for a row; for counts of members, the study."""
    if table in ("baseline_summary", "group_comparison"):
        return _named(study.tables, "table_id", row.get("table_id"))
    if table == "sensitivity":
        return _named(study.sensitivity, "analysis_id", row.get("analysis_id"))
    if table == "study_group":
        return study
    if table == "cohort_flow":
        if row.get("analysis") == "cohort":
            return study
        return _model(study, row.get("analysis")) or _named(study.survival, "endpoint", row.get("analysis"))
    if table == "trajectory_mean":
        return _named(study.mixed_models, "response", row.get("response"))
    if row.get("model_id"):
        return _model(study, row["model_id"])
    return _named(study.survival, "endpoint", row.get("endpoint"))


def _named(parts: Iterable[Any], key: str, name: object) -> Any:
    return next((part for part in parts if getattr(part, key) == name), None)


def _model(study: Study, name: object) -> Any:
    models = (model for section in MODELS for model in getattr(study, section))
    return _named(models, "model_id", name)


def _of_part(study: Study, part: Any) -> Reads:
    """What a whole part reads, with the tables and models that it names."""
    if isinstance(part, Study):
        return Reads((), (Input(MEMBERS),))
    inputs = [
        Input(VALUE, name, visit)
        for name in _variables(part, study)
        for visit in _visits(part) or ["baseline"]
    ]
    endpoint = getattr(part, "endpoint", None)
    if endpoint:
        is_course = part in study.recurrent_events
        inputs.append(Input(COURSE if is_course else ENDPOINT, endpoint))
    groups = list(getattr(part, "groups", ()))
    inside: list[Any] = [t for t in study.tables if t.table_id in getattr(part, "tables", ())]
    inside += [m for name in getattr(part, "models", ()) if (m := _model(study, name))]
    if getattr(part, "kind", None) == "restricted_mean":
        inside += [s for s in study.survival if s.endpoint == endpoint]
    for one in inside:
        found = _of_part(study, one)
        inputs += found.inputs
        groups += found.groups
    return Reads(tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(inputs)))


def _visits(part: Any) -> list[str | Window]:
    if hasattr(part, "at"):
        return [part.at]
    return [part.visit] if hasattr(part, "visit") else list(getattr(part, "visits", ()))


def _variables(part: Any, study: Study) -> Iterator[str]:
    """Every variable that a part names."""
    named = [getattr(part, key, None) for key in ("response", "variable", "outcome")]
    for key in ("variables", "covariates", "terms"):
        named += getattr(part, key, ())
    named += [row.variable for row in getattr(part, "rows", ())]
    yield from (name for name in dict.fromkeys(named) if name in study.variables)


def _narrowed(study: Study, table: str, row: Mapping[str, Any], quantity: str, found: Reads) -> Reads:
    """What one number of the part was computed from. An adjusted p value depends on all p values of its
    family.
    """
    group, pair = row.get("group_id"), (row.get("group_a"), row.get("group_b"))
    if table in ("baseline_summary", "group_comparison") and quantity != "p_adjusted":
        variable = str(row.get("variable")).partition(":")[0]
        found = replace(found, inputs=tuple(i for i in found.inputs if i.name == variable))
    if table == "trajectory_mean":
        inputs = (Input(VALUE, str(row["response"]), str(row["visit"])),)
        found = replace(found, inputs=inputs)
    if table == "cohort_flow" and row.get("step") == "not in a group":
        return replace(found, groups=(NO_GROUP,))
    if table in OF_ONE_GROUP and group:
        return replace(found, groups=(str(group),))
    if table in ("group_comparison", "log_rank", "restricted_mean") and quantity != "p_adjusted" and pair[0]:
        return replace(found, groups=tuple(str(g) for g in pair if g))
    return found


def _stated(study: Study, part: Any, inputs: Iterable[Input]) -> str:
    """The part with the variables and endpoints behind it, without what is only printed."""
    data: Stated = {"part": None if isinstance(part, Study) else part.model_dump(mode="json")}
    if hasattr(part, "rows"):  # each row of a table stands for itself
        names = {i.name for i in inputs}
        data["part"]["rows"] = [r for r in data["part"]["rows"] if r["variable"] in names]
    for one in inputs:
        spec: Variable | Endpoint | None
        spec = study.variables.get(one.name) if one.kind == VALUE else study.endpoints.get(one.name)
        if spec is not None:
            data[f"{one.kind} {one.name}"] = spec.model_dump(mode="json")
            if isinstance(spec, Variable) and spec.source == "endpoint":
                data[f"of {one.name}"] = study.endpoints[spec.of or one.name].model_dump(mode="json")
    return json.dumps(_without_words(data), sort_keys=True, ensure_ascii=False)


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_words(v) for k, v in value.items() if k not in WORDS}
    return [_without_words(v) for v in value] if isinstance(value, list) else value


def stated_groups(study: Study) -> str:
    """What decides who is in which group."""
    data = {"groups": {g: s.model_dump(mode="json") for g, s in study.groups.items()}}
    return json.dumps(
        _without_words(data) | {"once": study.one_row_per_person}, sort_keys=True, ensure_ascii=False
    )


def state(cohort: Cohort, asked: Input) -> pd.DataFrame | None:
    """One row per member: ``patient``, ``group_id``, ``said`` (what stands there, comparable; None where
    nothing is known). Of MEMBERS, one row per patient of the registry. None if the study has no such
    variable or endpoint.
    """
    if asked.kind == MEMBERS:
        return cohort.patients[["patient", "group_id"]].assign(said="")
    members = cohort.members[["patient", "group_id"]]
    if asked.kind == VALUE:
        if asked.name not in cohort.study.variables:
            return None
        return members.merge(_value(cohort, asked), on="patient", how="left")
    if asked.name not in cohort.study.endpoints:
        return None
    found = _times(cohort, asked.name) if asked.kind == ENDPOINT else _course(cohort, asked.name)
    return members.merge(found, on="patient", how="left")


def _value(cohort: Cohort, asked: Input) -> pd.DataFrame:
    variable = cohort.study.variables[asked.name]
    if variable.censored == "bounds":
        found = cohort.bounds(asked.name, asked.visit)
        return _said(found, ["lower", "upper"], found[["lower", "upper"]].notna().any(axis=1))
    found = cohort.value(asked.name, asked.visit)
    return _said(found, ["value", "is_censored"], found["value"].notna())


def _times(cohort: Cohort, endpoint: str) -> pd.DataFrame:
    columns = ["entry_months", "time_months", "is_event", "is_competing", "outcome_known"]
    found = cohort.time_to(endpoint)
    return _said(found, [c for c in columns if c in found], found["time_months"].notna())


def _course(cohort: Cohort, endpoint: str) -> pd.DataFrame:
    """Every event of an endpoint, and since and until when the patient was seen."""
    spec = cohort.study.endpoints[endpoint]
    events = cohort.frames["fct_event"]
    events = events[events["event_id"].isin([*spec.events, *spec.competing])]
    parts = [
        events[[*KEY]].assign(
            what=events[["event_id", "status", "time_days"]].astype(str).agg(" ".join, axis=1)
        )
    ]
    for table, column in (("fct_follow_up", "last_seen_days"), ("dim_patient", "baseline_days")):
        frame = cohort.frames[table]
        parts.append(frame[[*KEY]].assign(what=column + " " + frame[column].astype(str)))
    rows = pd.concat(parts).merge(cohort.members[[*KEY, "patient"]], on=KEY)
    return rows.groupby("patient")["what"].agg(lambda t: "; ".join(sorted(t))).rename("said").reset_index()


def _said(found: pd.DataFrame, columns: list[str], is_known: pd.Series) -> pd.DataFrame:
    said = pd.Series("", index=found.index, dtype=object)
    for column in columns:
        said = said + " " + found[column].astype(object).map(_text)
    return pd.DataFrame({"patient": found["patient"], "said": said.where(is_known, None)})


def _text(value: Any) -> str:
    return "" if pd.isna(value) else repr(value.item() if isinstance(value, np.generic) else value)
