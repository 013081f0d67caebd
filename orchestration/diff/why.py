"""Why a printed number changed: the inputs of it that differ, and what each difference traces to.

Belongs here: the causes of one number, derived from both releases. Does not belong here: which inputs a
number has (`analytics/study/reads.py`), which rows differ (`rows.py`), the whole comparison (`changes.py`).

A cause is named only where an input of the number differs. Where none does, the study file or the program
changed; where that cannot be told either, the cause says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestration.diff.rows import Origin
from orchestration.diff.sides import Side

if TYPE_CHECKING:
    import pandas as pd

    from analytics.printed.numbers import PrintedNumber
    from analytics.study.cohort import Cohort
    from analytics.study.file import Study
    from analytics.study.groups_and_variables import Endpoint, Variable, Window
    from analytics.study.reads import Input, Reads

PATIENT_ADDED, PATIENT_REMOVED, PATIENT_MOVED = "patient added", "patient removed", "patient moved"
VALUE_ADDED, VALUE_REMOVED, VALUE_CORRECTED = "value added", "value removed", "value corrected"
STUDY, DECLARED, RESULTS, UNKNOWN = "study file", "declared", "other results", "cannot be decided"
OF_PATIENTS = (PATIENT_ADDED, PATIENT_REMOVED, PATIENT_MOVED)
OF_VALUES = (VALUE_ADDED, VALUE_REMOVED, VALUE_CORRECTED)
NEEDED = {"msa": "fct_antibody_result", "msa_conflict": "fct_antibody_result", "treatment": "fct_treatment"}
DELIVERED = {
    "added": "by {0}",
    "replaced": "by the new content of {0}",
    "withdrawn": "because {0} was withdrawn",
    "read by another mapping": "because {0} is read by another mapping",
}


@dataclass(frozen=True)
class Cause:
    """One cause of a change. ``count``: of patients or of values; 0 where nothing is counted."""

    kind: str
    count: int = 0
    deliveries: tuple[tuple[str, str], ...] = ()  # sender/delivery, what became of it
    records: tuple[str, ...] = ()
    detail: str = ""

    def sentence(self) -> str:
        if not self.count:
            return self.detail
        noun = self.kind.partition(" ")[0]
        said = f"{self.count:,} {noun if self.count == 1 else noun + 's'} {self.kind.partition(' ')[2]}"
        parts = [said, *([self.detail] if self.detail else [])]
        parts += [DELIVERED[how].format(name) for name, how in self.deliveries]
        if self.records:
            parts.append(f"(record{'s' if len(self.records) > 1 else ''} {', '.join(self.records)})")
        return " ".join(parts)


@dataclass(frozen=True)
class Declared:
    """Something that people or the program state, not a hospital's rows, and that differs."""

    kind: str  # study file, visit schedule, catalogue, program, library, …
    what: str
    decides_values: bool = False  # whether it decides how the rows of hospitals are understood
    computes: bool = False  # whether it decides what is computed of them

    def sentence(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass
class StudyWhys:
    """The causes of one study's numbers."""

    before: Side
    after: Side
    study_id: str
    rows: pd.DataFrame  # changed rows of the marts, with their origins
    declared: tuple[Declared, ...]
    _cohorts: tuple[Cohort, Cohort] | None = None
    _by_patient: Mapping[str, list[Mapping[str, Any]]] | None = None
    _changes: dict[Input, pd.DataFrame | None] = field(default_factory=dict)
    _found: dict[Reads, tuple[Cause, ...]] = field(default_factory=dict)
    _came: dict[str, Origin] = field(default_factory=dict)
    _baselines: tuple[Mapping[str, float], ...] | None = None

    @property
    def studies(self) -> tuple[Study | None, Study | None]:
        return self.before.studies.get(self.study_id), self.after.studies.get(self.study_id)

    @property
    def cohorts(self) -> tuple[Cohort, Cohort] | None:
        """The study's patients in both, each by the study file of its release; None where one is not
        known.
        """
        from analytics.study.cohort import build_cohort

        was, now = self.studies
        if self._cohorts is None and was and now:
            self._cohorts = build_cohort(was, self.before.frames), build_cohort(now, self.after.frames)
        return self._cohorts

    def why(self, number: PrintedNumber) -> tuple[Cause, ...]:
        from analytics.study.reads import FROM_RESULTS, reads_of

        if number.table in FROM_RESULTS:
            return (Cause(RESULTS, detail="it is made from the study's other results"),)
        was, now = self.studies
        if self.cohorts is None or was is None or now is None:
            return (self._study_not_known(),)
        asked = [reads_of(s, number.table, number.row, number.quantity) for s in (was, now)]
        reads = asked[1] or asked[0]
        if reads is None:
            return self._or_declared(())
        found = list(self._of_inputs(reads))
        if asked[0] is None or asked[1] is None:
            verb = "asks for it now" if asked[1] else "no longer asks for it"
            found.insert(0, Cause(STUDY, detail=f"the study file {self.study_id}.yml {verb}"))
        elif asked[0].stated != asked[1].stated:
            detail = f"the study file {self.study_id}.yml states another way to compute it"
            found.append(Cause(STUDY, detail=detail))
        return self._or_declared(tuple(found))

    def _study_not_known(self) -> Cause:
        stamps = [side.manifest.get("studies", {}).get(self.study_id) for side in (self.before, self.after)]
        changed = "the study file changed, and " if None not in stamps and stamps[0] != stamps[1] else ""
        lacking = " and ".join(
            side.release_id for side in (self.before, self.after) if self.study_id not in side.studies
        )
        return Cause(
            UNKNOWN,
            detail=f"{changed}{lacking} does not hold what the study asked: the cause cannot be decided",
        )

    def _or_declared(self, found: tuple[Cause, ...]) -> tuple[Cause, ...]:
        """The causes, with the program beside them if it changed too; if no input differs, what people and
        the program state.
        """
        computing = [d.sentence() for d in self.declared if d.computes]
        if found:
            if not computing or all(c.kind == STUDY for c in found):
                return found
            detail = (
                f"the program changed too ({'; '.join(computing)}), and how much of the change is due to "
                "it cannot be told"
            )
            return (*found, Cause(DECLARED, detail=detail))
        if computing:
            said = "; ".join(computing)
            return (Cause(DECLARED, detail=f"none of its inputs differs: {said}"),)
        others = [d.sentence() for d in self.declared if d.kind != STUDY]
        detail = "none of its inputs differs between the two releases: the cause cannot be decided"
        return (
            Cause(UNKNOWN, detail=detail + (f" (what else changed: {'; '.join(others)})" if others else "")),
        )

    def _of_inputs(self, reads: Reads) -> tuple[Cause, ...]:
        if reads not in self._found:
            self._found[reads] = tuple(self._counted(reads))
        return self._found[reads]

    def _counted(self, reads: Reads) -> Iterable[Cause]:
        patients: dict[str, tuple[str, Origin, str]] = {}
        values: dict[tuple[str, Origin], int] = {}
        for asked in reads.inputs:
            changes = self.changes(asked)
            if changes is None or changes.empty:
                continue
            for patient, kind, origin, detail in self._kinds(changes, reads.groups, asked):
                if kind in OF_PATIENTS:
                    patients.setdefault(patient, (kind, origin, detail))
                else:
                    values[kind, origin] = values.get((kind, origin), 0) + 1
        of_patients: dict[tuple[str, Origin, str], int] = {}
        for found in patients.values():
            of_patients[found] = of_patients.get(found, 0) + 1
        order = {kind: i for i, kind in enumerate((*OF_PATIENTS, *OF_VALUES))}
        for (kind, origin, detail), n in sorted(
            of_patients.items(), key=lambda f: (order[f[0][0]], f[0][1:])
        ):
            yield self._cause(kind, n, origin, detail)
        for (kind, origin), n in sorted(values.items(), key=lambda f: (order[f[0][0]], f[0][1])):
            yield self._cause(kind, n, origin, "")

    def _kinds(
        self, changes: pd.DataFrame, groups: tuple[str, ...], asked: Input
    ) -> Iterable[tuple[str, str, Origin, str]]:
        """For each patient whose input differs: what happened to the input, as these groups see it."""
        from analytics.study.reads import MEMBERS

        for row in changes.itertuples(index=False):
            was_in = row.known_before and (row.group_before in groups if groups else True)
            is_in = row.known_after and (row.group_after in groups if groups else True)
            if not was_in and not is_in:
                continue
            if not row.registered_before or not row.registered_after:
                kind = PATIENT_REMOVED if row.registered_before else PATIENT_ADDED
                yield row.patient, kind, self._origin_of_patient(row.patient), ""
            elif row.group_before != row.group_after:
                if not groups and asked.kind == MEMBERS:
                    continue  # who is registered does not depend on groups
                moved = f"from {self.group(0, row.group_before)} to {self.group(1, row.group_after)}"
                yield row.patient, PATIENT_MOVED, self.origin_of_group(row.patient), moved
            elif row.differs:
                kind = VALUE_CORRECTED if was_in and is_in else VALUE_ADDED if is_in else VALUE_REMOVED
                yield row.patient, kind, self._origin_of_value(row.patient, asked), ""

    def group(self, side: int, group: str) -> str:
        study = self.studies[side]
        return study.groups[group].label if study is not None and group in study.groups else "no group"

    def changes(self, asked: Input) -> pd.DataFrame | None:
        """The patients whose input differs: their groups, whether it is known, whether it says otherwise."""
        if asked not in self._changes:
            self._changes[asked] = self._compared(asked)
        return self._changes[asked]

    def _compared(self, asked: Input) -> pd.DataFrame | None:
        from analytics.study.reads import state

        assert self.cohorts is not None  # every caller has checked
        was, now = (state(cohort, asked) for cohort in self.cohorts)
        if was is None or now is None:
            return None
        both = was.merge(now, on="patient", how="outer", suffixes=("_before", "_after"))
        sides = ("before", "after")
        for side, cohort in zip(sides, self.cohorts):
            both[f"known_{side}"] = both[f"said_{side}"].notna()
            both[f"registered_{side}"] = both["patient"].isin(cohort.patients["patient"])
            both[f"group_{side}"] = both[f"group_id_{side}"].fillna("")
            both[f"said_{side}"] = both[f"said_{side}"].fillna("")
        both["differs"] = (both["said_before"] != both["said_after"]) | (
            both["known_before"] != both["known_after"]
        )
        return both[both["differs"] | (both["group_before"] != both["group_after"])]

    def _cause(self, kind: str, count: int, origin: Origin, detail: str) -> Cause:
        if not origin.is_otherwise:
            return Cause(kind, count, origin.deliveries, origin.records, detail)
        why = [d.sentence() for d in self.declared if d.decides_values]
        if kind == PATIENT_MOVED and self._groups_differ():
            why = [f"the study file {self.study_id}.yml states other conditions of the groups"]
        if not why:
            why = ["from the same cells, and nothing that decides on them is known to differ"]
        elif len(why) > 1:
            why = [f"from the same cells; which of these did it cannot be decided: {'; '.join(why)}"]
        return Cause(kind, count, detail=f"{detail}, {why[0]}" if detail else f"({why[0]})")

    def _groups_differ(self) -> bool:
        from analytics.study.reads import stated_groups

        was, now = self.studies
        return was is not None and now is not None and stated_groups(was) != stated_groups(now)

    # what a difference of one patient traces to

    def _rows_of(self, patient: str) -> list[Mapping[str, Any]]:
        if self._by_patient is None:
            found: dict[str, list[Mapping[str, Any]]] = {}
            for row in self.rows.to_dict("records"):
                found.setdefault(f"{row['hospital_id']}|{row['patient_key']}", []).append(row)
            self._by_patient = found
        return list(self._by_patient.get(patient, ()))

    def _origin_of_patient(self, patient: str) -> Origin:
        if patient not in self._came:
            rows = self._rows_of(patient)
            self._came[patient] = _together(r["origin"] for r in rows if r["table_name"] == "dim_patient")
        return self._came[patient]

    def origin_of_group(self, patient: str) -> Origin:
        groups = [g for s in self.studies if s for g in s.groups.values()]
        tables = {NEEDED.get(c, "dim_patient") for g in groups for c in (*g.where, *g.within)}
        if any(g.events for g in groups):
            tables.add("fct_event")
        if any(g.definitions for g in groups):  # a definition reads whatever is known of a patient
            tables |= {row["table_name"] for row in self._rows_of(patient)}
        return _together(r["origin"] for r in self._rows_of(patient) if r["table_name"] in tables)

    def _origin_of_value(self, patient: str, asked: Input) -> Origin:
        rows = self._rows_of(patient)
        behind = _together(r["origin"] for r in rows if self._is_behind(r, asked))
        if behind.is_otherwise:  # a value may be another's because the visit or the baseline moved
            moved = ("fct_visit", "dim_patient")
            behind = _together(r["origin"] for r in rows if r["table_name"] in moved)
        return behind

    def _is_behind(self, row: Mapping[str, Any], asked: Input) -> bool:
        from analytics.study.reads import VALUE

        now = self.studies[1]
        assert now is not None  # every caller has checked
        if asked.kind != VALUE:
            return _is_of_endpoint(row, now.endpoints[asked.name])
        variable = now.variables[asked.name]
        if variable.source == "endpoint":
            return _is_of_endpoint(row, now.endpoints[variable.of or asked.name])
        if isinstance(asked.visit, str):
            is_there = asked.visit in (row["visit_before"], row["visit_after"])
        else:
            is_there = self._is_in(row, asked.visit)
        return _is_of_variable(row, variable, asked, is_there)

    def _is_in(self, row: Mapping[str, Any], window: Window) -> bool:
        """Whether a row stands, in either release, on a day of the window."""
        from analytics.study.cohort import DAYS_PER_MONTH

        if self._baselines is None:
            assert self.cohorts is not None  # every caller has checked
            self._baselines = tuple(
                dict(zip(c.patients["patient"], c.patients["baseline_days"].astype(float)))
                for c in self.cohorts
            )
        patient = f"{row['hospital_id']}|{row['patient_key']}"
        days = (row["days_before"], row["days_after"])
        months = [(d - b.get(patient, 0.0)) / DAYS_PER_MONTH for d, b in zip(days, self._baselines)]
        return any(window.from_months <= month <= window.to_months for month in months)


def _is_of_endpoint(row: Mapping[str, Any], endpoint: Endpoint) -> bool:
    if row["table_name"] == "fct_event":
        return row["item"] in (*endpoint.events, *endpoint.competing)
    if row["table_name"] == "fct_treatment":
        return endpoint.origin == "first_treatment"
    return row["table_name"] in ("fct_follow_up", "fct_visit", "dim_patient")


def _is_of_variable(row: Mapping[str, Any], variable: Variable, asked: Input, is_there: bool) -> bool:
    table, item = row["table_name"], row["item"]
    if variable.source in ("observation", "ratio"):
        concepts = (variable.numerator, variable.denominator, variable.of or asked.name)
        return table == "fct_observation" and item in concepts and is_there
    if variable.source == "event":
        return table == "fct_event" and item == (variable.of or asked.name)
    if column := variable.patient_column:
        return table == NEEDED.get(column, "dim_patient")
    return True  # a definition reads whatever is known of a patient


def _together(origins: Iterable[Origin]) -> Origin:
    found = list(origins)
    return Origin(
        tuple(sorted({d for o in found for d in o.deliveries})),
        tuple(sorted({r for o in found for r in o.records})),
    )
