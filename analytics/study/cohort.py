"""Who belongs to which group of a study, and the value of each variable at each visit.

Belongs here: membership, the flow of exclusions, what a missing or censored value becomes. Does not belong
here: estimates (`results.py` calls them).

The frames are the release's tables, one data frame each, under their own names (`dim_patient`,
`fct_observation`, …).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analytics.door import PlainFrames
from analytics.study.file import Study
from analytics.study.groups_and_variables import Group, Variable, Window
from analytics.study.parts import LEVELS

Frames = Mapping[str, pd.DataFrame]
# the tables of a release that a study reads; the others are for analysts
FRAMES = (
    "dim_antibody_status",
    "dim_hospital",
    "dim_patient",
    "event_types",
    "fct_antibody_result",
    "fct_definition",
    "fct_event",
    "fct_follow_up",
    "fct_observation",
    "fct_time_to_event",
    "fct_treatment",
    "fct_visit",
    "patient_link",
    "visit_schedule",
)
KEY = ["hospital_id", "patient_key"]
COUNTED_ELSEWHERE = "the same person counts at another hospital"
DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12
LISTED_WHEN_PRESENT = (
    "complication",
    "malignancy",
    "relapse",
    "death",
)  # kinds of events; a sign is not among them


@dataclass(frozen=True)
class Cohort:
    """The patients of a study. ``patients``: one row per registered patient with ``patient`` (one label),
    ``group_id`` (None outside every group), ``reason`` (why outside) and the patient's columns.
    """

    study: Study
    frames: Frames
    patients: pd.DataFrame

    @cached_property
    def members(self) -> pd.DataFrame:
        """Patients of one group, ordered by group and patient."""
        inside = self.patients[self.patients["group_id"].notna()].copy()
        inside["group_id"] = pd.Categorical(
            inside["group_id"], categories=list(self.study.groups), ordered=True
        )
        return inside.sort_values(["group_id", "patient"]).astype({"group_id": str}).reset_index(drop=True)

    @cached_property
    def hospital_names(self) -> dict[str, str]:
        """What sentences call each hospital: its name, with the id where two have one name."""
        hospitals = self.frames["dim_hospital"]
        if "hospital_name" not in hospitals:
            return {}
        names = hospitals.set_index("hospital_id")["hospital_name"].dropna()
        shared = names.duplicated(keep=False)
        return {h: f"{name} ({h})" if shared[h] else name for h, name in names.items()}

    def of(self, groups: list[str]) -> pd.DataFrame:
        return self.members[self.members["group_id"].isin(groups)].reset_index(drop=True)

    @cached_property
    def scheduled(self) -> pd.DataFrame:
        """The value that stands for each patient, concept and scheduled visit."""
        observations = self.frames["fct_observation"]
        chosen = observations[
            observations["scheduled_visit"].notna() & observations["is_visit_value"].astype(bool)
        ]
        return chosen.merge(self.members[[*KEY, "patient"]], on=KEY)

    @cached_property
    def _found(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Values asked for already: most analyses ask for the same ones."""
        return {}

    @cached_property
    def _timed(self) -> dict[str, pd.DataFrame]:
        """Times asked for already, by endpoint."""
        return {}

    def value(self, name: str, at: str | Window) -> pd.DataFrame:
        """One row per member: ``patient``, ``value`` (NaN when missing), ``is_censored``; at a visit, or of
        measured values in a window.
        """
        key = name, at if isinstance(at, str) else at.model_dump_json()
        if key not in self._found:
            self._found[key] = self._value(name, at)
        return self._found[key].copy()

    def _value(self, name: str, at: str | Window) -> pd.DataFrame:
        variable = self.study.variables[name]
        base = self.members[["patient"]].copy()
        if variable.source == "observation":
            found = self._observed(variable.of or name, at, variable)
        elif variable.source == "ratio":
            found = self._ratio(variable, at)
        elif variable.source == "event":
            found = self._event(variable.of or name, at, variable.when)
        elif variable.source == "endpoint":
            found = self._endpoint(variable.of or name)
        elif variable.source.startswith("definition"):
            found = self._definition(variable.of or name, variable)
        else:
            found = self._patient_column(variable)
        out = base.merge(found, on="patient", how="left")
        out["is_censored"] = out["is_censored"].astype("boolean").fillna(False).astype(bool)
        return out

    def bounds(self, name: str, at: str | Window) -> pd.DataFrame:
        """One row per member: ``patient``, ``lower``, ``upper``: equal where measured, an end missing where
        open.
        """
        from analytics.censored.summary import ratio_bounds

        variable = self.study.variables[name]
        if variable.source == "ratio":
            numerator, denominator = _both_of(variable)
            both = self._bounds(numerator, at).merge(
                self._bounds(denominator, at), on="patient", suffixes=("_above", "_below")
            )
            found = both[["patient"]].join(
                ratio_bounds(both, ("lower_above", "upper_above"), ("lower_below", "upper_below"))
            )
        elif variable.source == "observation":
            found = self._bounds(variable.of or name, at)
        else:
            found = self.value(name, at).assign(lower=lambda d: d["value"], upper=lambda d: d["value"])
        return self.members[["patient"]].merge(found[["patient", "lower", "upper"]], on="patient", how="left")

    def age_at(self, visit: str) -> pd.DataFrame:
        """``patient``, ``age_years`` at a visit: age at onset, course before baseline, time since; NaN where
        unknown.
        """
        visits = self.frames["fct_visit"]
        at = visits[(visits["scheduled_visit"] == visit) & visits["is_scheduled"].astype(bool)]
        rows = self.members.merge(at[[*KEY, "time_days"]], on=KEY, how="left")
        schedule = self.frames["visit_schedule"].set_index("scheduled_visit")["nominal_month"]
        since = ((rows["time_days"] - rows["baseline_days"]) / DAYS_PER_YEAR).fillna(
            float(schedule[visit]) / 12
        )
        age = (
            rows["age_at_onset_years"].astype(float)
            + rows["disease_duration_months"].astype(float) / 12
            + since
        )
        return pd.DataFrame({"patient": rows["patient"], "age_years": age})

    def over_visits(self, name: str, visits: list[str]) -> pd.DataFrame:
        """``value`` at each visit, long: ``patient``, ``group_id``, ``visit``, ``value``, ``is_censored``."""
        parts = [self.value(name, visit).assign(visit=visit) for visit in visits]
        long = pd.concat(parts, ignore_index=True)
        return long.merge(self.members[["patient", "group_id"]], on="patient")

    def flow(self) -> pd.DataFrame:
        """Registered patients, why some are in no group, and the groups: step, group_id, n, reason."""
        rows: list[tuple[str, str | None, int, str]] = [
            ("registered", None, len(self.patients), "patients in the release")
        ]
        outside = self.patients[self.patients["group_id"].isna()]
        rows += [
            ("not in a group", None, int(n), reason)
            for reason, n in outside["reason"].value_counts().sort_index().items()
        ]
        counts = self.members["group_id"].value_counts()
        rows += [
            ("in a group", g, int(counts.get(g, 0)), spec.label) for g, spec in self.study.groups.items()
        ]
        return pd.DataFrame(rows, columns=["step", "group_id", "n", "reason"])

    # where a value comes from

    def _rows(self, concept: str, at: str | Window) -> pd.DataFrame:
        """The result of each member that counts: the visit's, or the one that the window takes."""
        if isinstance(at, Window):
            return self._rows_in(concept, at)
        return self.scheduled[
            (self.scheduled["concept_id"] == concept) & (self.scheduled["scheduled_visit"] == at)
        ]

    def _rows_in(self, concept: str, window: Window) -> pd.DataFrame:
        """To find the lowest or highest, a bound counts as its limit; of equal results the first counts."""
        rows = self.frames["fct_observation"]
        rows = rows[(rows["concept_id"] == concept) & rows["time_days"].notna()]
        rows = rows.merge(self.members[[*KEY, "patient", "baseline_days"]], on=KEY)
        month = (rows["time_days"] - rows["baseline_days"]) / DAYS_PER_MONTH
        rows = rows[month.between(window.from_months, window.to_months)]
        number = rows["value_canonical"].where(
            rows["comparator"].isna(), rows["upper_limit"].fillna(rows["lower_limit"])
        )
        rows = rows.assign(number=number).dropna(subset=["number"])
        keys = {"first": "time_days", "last": "time_days", "lowest": "number", "highest": "number"}
        order = [keys[window.take], "time_days", "observation_key"]
        first_wins = [window.take in ("first", "lowest"), True, True]
        return rows.sort_values(order, ascending=first_wins).drop_duplicates("patient")

    def _observed(self, concept: str, at: str | Window, variable: Variable) -> pd.DataFrame:
        rows = self._rows(concept, at)
        censored = rows["comparator"].notna()
        limit = rows["upper_limit"].fillna(rows["lower_limit"])
        stand_in = {"limit": limit, "half_limit": rows["upper_limit"] / 2}.get(variable.censored, np.nan)
        return pd.DataFrame(
            {
                "patient": rows["patient"],
                "value": rows["value_canonical"].where(~censored, stand_in),
                "is_censored": censored,
            }
        )

    def _bounds(self, concept: str, at: str | Window) -> pd.DataFrame:
        from analytics.censored.regression import known_bounds

        rows = self._rows(concept, at)
        return known_bounds(rows).assign(patient=rows["patient"]).reset_index(drop=True)

    def _ratio(self, variable: Variable, at: str | Window) -> pd.DataFrame:
        numerator, denominator = _both_of(variable)
        above = self._observed(numerator, at, variable)
        below = self._observed(denominator, at, variable)
        both = above.merge(below, on="patient", suffixes=("", "_below"))
        ratio = both["value"] / both["value_below"].where(both["value_below"] != 0)
        return pd.DataFrame(
            {
                "patient": both["patient"],
                "value": ratio,
                "is_censored": both["is_censored"] | both["is_censored_below"],
            }
        )

    def _event(self, event: str, at: str | Window, when: str) -> pd.DataFrame:
        visit = at if when == "visit" and isinstance(at, str) else None
        value = recorded(self.frames, self.members, event, visit)
        return value.rename("value").rename_axis("patient").reset_index().assign(is_censored=False)

    def _endpoint(self, endpoint: str) -> pd.DataFrame:
        rows = self.time_to(endpoint)
        enough = self.study.endpoints[endpoint].counted_from_months or np.inf
        is_known = rows["outcome_known"].astype(bool) | (rows["time_months"] >= enough)
        value = rows["is_event"].astype(float).where(is_known)
        return pd.DataFrame({"patient": rows["patient"], "value": value, "is_censored": False})

    def _definition(self, definition: str, variable: Variable) -> pd.DataFrame:
        """Whether the definition is met, or its number; missing if an unknown input could change it."""
        rows = self.frames["fct_definition"]
        rows = rows[rows["definition_id"] == definition].merge(self.members[[*KEY, "patient"]], on=KEY)
        if variable.source == "definition.value":
            is_open = rows["value_at_most"].notna() & (rows["value_at_most"] != rows["value"])
            value = rows["value"].mask(is_open)
        else:
            value = is_met(rows, variable.at_least)
        return pd.DataFrame({"patient": rows["patient"], "value": value, "is_censored": False})

    def time_to(self, endpoint: str) -> pd.DataFrame:
        """Members with their time to an endpoint: time_months, is_event, is_competing, outcome_known,
        censor_reason.
        """
        if endpoint not in self._timed:
            times = self.frames["fct_time_to_event"]
            self._timed[endpoint] = self.members.merge(times[times["endpoint"] == endpoint], on=KEY)
        return self._timed[endpoint].copy(deep=False)

    def _patient_column(self, variable: Variable) -> pd.DataFrame:
        column = self.members[variable.source.split(".")[1]]
        value = (
            column.astype(float)
            if variable.equals is None
            else column.eq(variable.equals).astype(float).where(column.notna())
        )
        return pd.DataFrame({"patient": self.members["patient"], "value": value, "is_censored": False})


def build_cohort(study: Study, frames: Frames) -> Cohort:
    """Assign every registered patient to the one group whose conditions all hold, or say why there is no such
    group.
    """
    frames = PlainFrames(frames)
    patients = _described(study, frames)
    matches = pd.DataFrame(
        {
            group: np.logical_and.reduce(list(_conditions(frames, patients, spec)))
            for group, spec in study.groups.items()
        },
        index=patients.index,
    )
    count = matches.sum(axis=1)
    patients["group_id"] = matches.idxmax(axis=1).where(count == 1, None)
    outside = patients[count != 1]
    said = outside[["msa", "msa_conflict", "decided_by", "onset_group"]].to_dict("records")
    reasons = [_reason(row, n) for row, n in zip(said, count[count != 1])]
    patients["reason"] = (
        pd.Series(reasons, outside.index, dtype=object).reindex(patients.index).where(count != 1, None)
    )
    if study.one_row_per_person:
        again = _counted_elsewhere(patients, frames)
        patients.loc[again, ["group_id", "reason"]] = [None, COUNTED_ELSEWHERE]
    return Cohort(study, frames, patients)


def _described(study: Study, frames: Frames) -> pd.DataFrame:
    patients = (
        frames["dim_patient"]
        .merge(
            frames["dim_antibody_status"][[*KEY, "msa", "has_conflict", "decided_by"]].rename(
                columns={"has_conflict": "msa_conflict"}
            ),
            on=KEY,
            how="left",
        )
        .merge(frames["dim_hospital"][["hospital_id", "population"]], on="hospital_id", how="left")
    )
    patients["patient"] = patients["hospital_id"] + "|" + patients["patient_key"]
    if _names_treatments(study):
        patients["treatment"] = patients["patient"].map(_given(frames["fct_treatment"]))
    return patients.sort_values("patient").reset_index(drop=True)


def _names_treatments(study: Study) -> bool:
    columns: set[str | None] = {column for group in study.groups.values() for column in group.where}
    columns |= {variable.patient_column for variable in study.variables.values()}
    columns |= {factor for analysis in study.sensitivity for factor in getattr(analysis, "factors", ())}
    return "treatment" in columns


def _given(treatments: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The treatments of each patient who had one, in alphabetical order."""
    ids = treatments.dropna(subset=["treatment_id"])
    found: dict[str, set[str]] = {}
    for hospital, key, treatment in zip(*(ids[column] for column in (*KEY, "treatment_id")), strict=True):
        found.setdefault(f"{hospital}|{key}", set()).add(treatment)
    return {patient: tuple(sorted(names)) for patient, names in found.items()}


def people(patients: pd.DataFrame, links: pd.DataFrame) -> pd.Series:
    """A number per row of ``patients``, equal for rows of one person.

    Where A and B share one identifier and B and C another, the three are one.
    """
    number = pd.Series(range(len(patients)), index=patients.index)
    linked = patients[KEY].reset_index(names="row").merge(links, on=KEY)[["row", "person_key"]]
    while True:
        mine = linked.assign(n=number.loc[linked["row"]].to_numpy())
        lowest = mine.groupby("person_key")["n"].transform("min")
        joined = number.copy()
        found = lowest.groupby(linked["row"]).min()
        joined.loc[found.index] = found
        if joined.equals(number):
            return number
        number = joined


def _counted_elsewhere(patients: pd.DataFrame, frames: Frames) -> pd.Index:
    """Each person's rows in a group except the one with the earliest baseline; if two are equal, except the
    first.
    """
    members = patients[patients["group_id"].notna()]
    members = members.assign(person=people(patients, frames["patient_link"]).loc[members.index])
    ordered = members.sort_values(["person", "baseline_date", "patient"], na_position="last")
    return ordered.index[ordered["person"].duplicated()]


def scaled(values: pd.Series, transform: str) -> pd.Series:
    """Values on a scale. A value that the scale cannot represent is missing, not infinite."""
    if transform == "log":
        return np.log(values.where(values > 0))
    if transform == "log1p":
        return np.log1p(values.where(values > -1))
    return np.sqrt(values.where(values >= 0)) if transform == "sqrt" else values


def recorded(frames: Frames, patients: pd.DataFrame, event: str, visit: str | None) -> pd.Series:
    """By patient: 1 where the event was recorded as present (at the visit, or ever), 0 where it is known not
    to have been, else NaN.
    """
    events = frames["fct_event"]
    rows = events[(events["event_id"] == event)].merge(patients[[*KEY, "patient"]], on=KEY)
    explicit = set(rows.loc[rows["status"] == "absent", "hospital_id"])
    unsure = rows["patient"].unique()
    if visit is not None:
        visits = frames["fct_visit"]
        at = visits[(visits["scheduled_visit"] == visit) & visits["is_scheduled"].astype(bool)]
        rows = rows.merge(at[[*KEY, "time_days"]], on=[*KEY, "time_days"])
    present = rows["status"].eq("present").groupby(rows["patient"]).any()
    absent = rows["status"].eq("absent").groupby(rows["patient"]).any()
    value = pd.Series(np.nan, index=patients["patient"])
    value[patients.loc[_unlisted_means_absent(frames, patients, event, explicit), "patient"]] = 0.0
    value[unsure] = np.nan  # something is listed; the next two lines set what
    value[absent.index[absent]] = 0.0
    value[present.index[present]] = 1.0
    return value


def _unlisted_means_absent(
    frames: Frames, patients: pd.DataFrame, event: str, explicit: set[str]
) -> pd.Series:
    """Patients whose hospital lists only events that happened, and never says that this event did not happen.

    A sign is absent only if somebody looked for it and says so, because no hospital lists the signs that it
    did not look for.
    """
    hospitals = frames["dim_hospital"]
    silent = set(hospitals.loc[hospitals["unlisted_events"] == "absent", "hospital_id"]) - explicit
    types = frames["event_types"]
    is_listed = types.loc[types["event_id"] == event, "category"].isin(LISTED_WHEN_PRESENT).any()
    return patients["hospital_id"].isin(silent if is_listed else ())


def is_met(rows: pd.DataFrame, at_least: str | None) -> pd.Series:
    """Of rows of fct_definition: 1 if the definition is met (to a level at least), 0 if not, NaN if a missing
    input could change it.
    """
    if at_least is None:
        return rows["status"].map({"met": 1.0, "not_met": 0.0})
    wanted = LEVELS[LEVELS.index(at_least) :]
    proved = rows["level"].isin(wanted)
    return proved.astype(float).where(proved | ~rows["level_at_most"].isin(wanted))


def _conditions(frames: Frames, patients: pd.DataFrame, group: Group) -> Iterator[np.ndarray]:
    """For each condition of a group, for whom it is known to hold."""
    for column, values in group.where.items():
        yield _holds(patients, column, values)
    for column, span in group.within.items():
        number = pd.to_numeric(patients[column])
        low = -np.inf if span.at_least is None else span.at_least
        high = np.inf if span.below is None else span.below
        yield ((number >= low) & (number < high)).fillna(False).to_numpy(dtype=bool)
    for event, state in group.events.items():
        value = recorded(frames, patients, event, visit=None)
        yield value.eq(1.0 if state == "present" else 0.0).to_numpy(dtype=bool)
    for definition, wanted in group.definitions.items():
        rows = frames["fct_definition"]
        rows = patients[KEY].merge(rows[rows["definition_id"] == definition], on=KEY, how="left")
        met = is_met(rows, wanted if wanted in LEVELS else None)
        yield met.eq(0.0 if wanted == "not_met" else 1.0).to_numpy(dtype=bool)


def _both_of(variable: Variable) -> tuple[str, str]:
    """Numerator and denominator of a ratio."""
    # reading a study file makes sure of both
    assert variable.numerator is not None and variable.denominator is not None
    return variable.numerator, variable.denominator


def _holds(patients: pd.DataFrame, column: str, wanted: str | list[str]) -> np.ndarray:
    values = {wanted} if isinstance(wanted, str) else set(wanted)
    if column == "treatment":
        return np.array([isinstance(t, tuple) and bool(values & set(t)) for t in patients["treatment"]])
    return patients[column].astype("string").isin(values).fillna(False).to_numpy(dtype=bool)


def _reason(row: dict[str, Any], matches: int) -> str | None:
    if matches == 1:
        return None
    if matches > 1:
        return "belongs to several groups: the study file's conditions overlap"
    if row["msa_conflict"] is True:
        return "several specific antibodies are positive"
    if pd.isna(row["msa"]):
        return f"antibody status open: {row['decided_by']}"
    return (
        f"in none of the groups (antibody {row['msa']}, onset "
        f"{row['onset_group'] if pd.notna(row['onset_group']) else 'not known'})"
    )
