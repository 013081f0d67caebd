"""What a group is made of: confounding, differences adjusted for covariates, scores against the norm for age.

Belongs here: analyses that read patients' values at visits. Does not belong here: what results hold already
(`compared.py`), who was lost and what is missing (`follow_up.py`, `missing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from analytics.status import NOT_ESTIMABLE, OK
from analytics.study.cohort import Cohort
from analytics.study.sensitivity.rows import (
    Answer,
    coefficient,
    of_n,
    others,
    pair_label,
    plural,
    printed_comparison,
    row,
)
from analytics.study.sensitivity_keys import AdjustedDifference, Confounding, NormForAge
from analytics.words.disclosure import known
from analytics.words.formatting import format_number
from analytics.words.wording import listed

Results = Mapping[str, pd.DataFrame]
FACTOR_WORDS = {
    "hospital_id": "hospital",
    "onset_group": "age group at onset",
    "age_at_onset_years": "age at onset (years)",
    "disease_duration_months": "course before baseline (months)",
    "sex": "sex",
    "birth_year": "year of birth",
    "msa": "antibody",
    "population": "population of the hospital",
    "diagnosis": "diagnosis",
    "treatment": "treatment",
}
BAND_COLUMNS = (
    "analysis_id",
    "kind",
    "from_age",
    "below_age",
    "mean",
    "sd",
    "lower",
    "upper",
    "full_score",
    "n",
    "source",
)
PATIENT_COLUMNS = ("analysis_id", "kind", "line", "group_id", "visit", "age_years", "value", "place")
PLACES = {
    "below": "below the norm",
    "within": "within the norm",
    "open": "no norm decides",
    "younger": "younger than any norm",
    "no_age": "age not known",
}


def confounding(asked: Confounding, cohort: Cohort, results: Results) -> Answer:
    """Counts or ranges of each factor by group, and whether the outcome can be adjusted for it."""
    members = (
        cohort.of(asked.groups)
        .merge(cohort.value(asked.outcome, asked.visit)[["patient", "value"]], on="patient")
        .assign(factor_group=lambda d: d["group_id"])
    )
    rows: list[dict[str, Any]] = []
    apart: list[str] = []
    overlapping: list[str] = []
    for factor in asked.factors:
        column = members[factor].map(lambda v: ", ".join(v) if isinstance(v, tuple) else v)
        is_number = pd.api.types.is_numeric_dtype(column)
        said, separate = (_ranges if is_number else _cross_table)(
            cohort, asked, factor, members.assign(factor=column)
        )
        rows += said
        rows += _adjusted(cohort, asked, factor, members.assign(factor=column), separate)
        (apart if separate else overlapping).append(FACTOR_WORDS[factor])
    labels = [cohort.study.groups[g].label for g in asked.groups]
    text = " ".join(_what_is_apart(cohort, asked, members, f) for f in asked.factors)
    if apart:
        text += f" {listed(labels)} have no {listed(apart)} in common: no adjustment can take these apart."
    return Answer(
        rows,
        text.strip(),
        (
            "A difference between such groups may come from any of these. Only other data can tell: patients"
            " of both groups from one"
            " hospital, or the same samples measured in both laboratories."
            if apart
            else "Factors that nobody recorded may differ as well."
        ),
    )


def _cross_table(
    cohort: Cohort, asked: Confounding, factor: str, members: pd.DataFrame
) -> tuple[list[dict[str, Any]], bool]:
    known_rows = members[members["factor"].notna()]
    table = pd.crosstab(known_rows["factor"], known_rows["group_id"]).reindex(
        columns=asked.groups, fill_value=0
    )
    sizes = table.sum()
    rows = [
        row(
            f"{FACTOR_WORDS[factor].capitalize()}: {_called(cohort, factor, level)}",
            g,
            part="who is where",
            subject=factor,
            group_a=g,
            count=int(table.loc[level, g]),
            n=int(sizes[g]),
            method="count",
        )
        for level in table.index
        for g in asked.groups
    ]
    return rows, bool(((table > 0).sum(axis=1) <= 1).all()) and len(table) > 1


def _ranges(
    cohort: Cohort, asked: Confounding, factor: str, members: pd.DataFrame
) -> tuple[list[dict[str, Any]], bool]:
    rows, ends = [], []
    for g in asked.groups:
        values = members.loc[members["group_id"] == g, "factor"].dropna().astype(float)
        display = (
            f"{format_number(values.min(), 1)} to {format_number(values.max(), 1)}" if len(values) else ""
        )
        rows.append(
            row(
                f"{FACTOR_WORDS[factor].capitalize()}, range",
                g,
                part="who is where",
                subject=factor,
                group_a=g,
                display=display,
                n=len(values),
                method="smallest and largest value",
            )
        )
        if len(values):
            ends.append((values.min(), values.max()))
    ends.sort()
    return rows, len(ends) > 1 and all(a[1] < b[0] for a, b in pairwise(ends))


def _adjusted(
    cohort: Cohort, asked: Confounding, factor: str, members: pd.DataFrame, separate: bool
) -> list[dict[str, Any]]:
    """The outcome's difference between the groups without the factor and with it."""
    from analytics.regression.linear_models import linear_model

    variable = cohort.study.variables[asked.outcome]
    data = members[["value", "group_id", "factor"]].dropna()
    rows = []
    for variant, formula in (("unadjusted", "value ~ group_id"), ("adjusted", "value ~ factor + group_id")):
        fit = linear_model(data, formula, {"group_id": list(reversed(asked.groups))})
        for g in asked.groups[:-1]:
            numbers = coefficient(fit.summary, f"group_id{g}")
            missing = numbers["estimate"] is None
            words = FACTOR_WORDS[factor]
            note = fit.note
            if missing:
                note = (
                    f"{words} follows from the group: with both in a model, no difference is left to the "
                    "group"
                )
            elif separate and variant == "adjusted":
                note = f"The groups share no {words}: a line is carried on from one to the other."
            rows.append(
                row(
                    f"{variable.label} with {words}: {pair_label(cohort, g, asked.groups[-1])}",
                    variant,
                    part="what adjustment does",
                    subject=asked.outcome,
                    group_a=g,
                    group_b=asked.groups[-1],
                    visit=asked.visit,
                    **numbers,
                    df=fit.df,
                    n=fit.n,
                    estimate_kind="mean_difference",
                    method=f"{fit.method}: {formula}",
                    status=NOT_ESTIMABLE if missing else OK,
                    note=note,
                )
            )
    return rows


def _what_is_apart(cohort: Cohort, asked: Confounding, members: pd.DataFrame, factor: str) -> str:
    parts = []
    for g in asked.groups:
        values = members.loc[members["group_id"] == g, factor].dropna()
        if pd.api.types.is_numeric_dtype(values) and len(values):
            found = f"{format_number(values.min(), 1)} to {format_number(values.max(), 1)}"
        else:
            counts = values.astype(str).value_counts().sort_index()
            found = listed(f"{n} {_called(cohort, factor, level)}" for level, n in counts.items())
        parts.append(f"{cohort.study.groups[g].label} {found}")
    words = FACTOR_WORDS[factor]
    return f"{words[:1].upper()}{words[1:]}: {'; '.join(parts)}."


def _called(cohort: Cohort, factor: str, level: str) -> str:
    """A hospital by its name; a level of another factor as it is."""
    return cohort.hospital_names.get(level, level) if factor == "hospital_id" else level


def adjusted_difference(asked: AdjustedDifference, cohort: Cohort, results: Results) -> Answer:
    """Analysis of covariance: first group minus second, without and with the covariates."""
    from analytics.regression.linear_models import linear_model

    members = cohort.of(asked.groups)[["patient", "group_id"]]
    for name in [asked.variable, *asked.covariates]:
        visit = cohort.value(name, asked.visit)[["patient", "value"]].rename(columns={"value": name})
        members = members.merge(visit, on="patient")
    data = members.dropna()
    levels = {"group_id": [asked.reference, *others(asked.groups, asked.reference)]}
    fits = {
        "unadjusted": linear_model(data, f"`{asked.variable}` ~ group_id", levels),
        "adjusted": linear_model(
            data, f"`{asked.variable}` ~ {' + '.join(f'`{c}`' for c in asked.covariates)} + group_id", levels
        ),
    }
    variable = cohort.study.variables[asked.variable]
    names = listed(cohort.study.variables[c].label.lower() for c in asked.covariates)
    rows, said = [], []
    for other in levels["group_id"][1:]:
        label = pair_label(cohort, asked.reference, other)
        pair = {"subject": asked.variable, "group_a": asked.reference, "group_b": other, "visit": asked.visit}
        found = {variant: _coefficient(fit, f"group_id{other}", turn=True) for variant, fit in fits.items()}
        rows += [
            row(
                label,
                v,
                **pair,
                **numbers,
                estimate_kind="mean_difference",
                beside=printed_comparison(results, asked.variable, asked.reference, other),
            )
            for v, numbers in found.items()
        ]
        was, now = (found[v]["estimate"] for v in ("unadjusted", "adjusted"))
        if known(was) and known(now):
            ends = f"{now:.1f} ({found['adjusted']['ci_low']:.1f} to {found['adjusted']['ci_high']:.1f})"
            said.append(f"{label} {was:.1f} unadjusted, {ends} adjusted")
    for name in asked.covariates:
        spec = cohort.study.variables[name]
        unit = f" per {spec.unit.removesuffix('s')}" if spec.unit else " per unit"
        rows.append(
            row(
                f"{spec.label}{unit}",
                "adjusted",
                subject=name,
                visit=asked.visit,
                estimate_kind="slope",
                **_coefficient(fits["adjusted"], name),
            )
        )
    fit = fits["adjusted"]
    text = (
        f"{variable.label}, differences of means in {fit.n} patients: {'; '.join(said)} for {names}."
        if said
        else (f"The difference cannot be adjusted for {names}: {fit.note}.")
    )
    return Answer(
        rows,
        text,
        (
            f"Adjustment assumes that {variable.label} changes with {names} along a straight line, alike in"
            " every group, and one spread for"
            " all groups; what is not among the covariates is not adjusted for."
        ),
        status=fit.status if not said else OK,
    )


def _coefficient(fit: Any, term: str, turn: bool = False) -> dict[str, Any]:
    """A coefficient of a linear model; ``turn`` makes it first group minus second."""
    found = coefficient(fit.summary, term)
    base = {
        "df": fit.df,
        "n": fit.n,
        "method": f"{fit.method}: {fit.formula.replace('`', '')}",
        "note": fit.note,
    }
    if found["estimate"] is None:
        return base | found | {"status": fit.status if fit.status != OK else NOT_ESTIMABLE}
    if turn:
        found = {
            name: -value if value is not None and name != "p_value" else value
            for name, value in found.items()
        }
        found |= {"ci_low": found["ci_high"], "ci_high": found["ci_low"]}
    return base | found | {"status": OK}


def norm_for_age(asked: NormForAge, cohort: Cohort, results: Results) -> Answer:
    """Each value at the patient's age then: below the norm, within it, or where no norm decides."""
    members = cohort.of(asked.groups)[["patient", "group_id"]]
    line = {p: i for i, p in enumerate(members["patient"], start=1)}
    parts = []
    for visit in asked.visits:
        at = members.merge(cohort.value(asked.variable, visit)[["patient", "value"]], on="patient")
        parts.append(
            at.merge(cohort.age_at(visit), on="patient").dropna(subset=["value"]).assign(visit=visit)
        )
    data = pd.concat(parts, ignore_index=True)
    data["place"] = [_place(asked, age, value) for age, value in zip(data["age_years"], data["value"])]
    rows = []
    for visit in asked.visits:
        for g in asked.groups:
            mine = data[(data["visit"] == visit) & (data["group_id"] == g)]
            rows += [
                row(
                    cohort.study.groups[g].label,
                    place,
                    part=visit,
                    subject=asked.variable,
                    group_a=g,
                    visit=visit,
                    count=int((mine["place"] == place).sum()),
                    n=len(mine),
                    method=_method(asked),
                )
                for place in PLACES
                if place != "no_age" or (data["place"] == "no_age").any()
            ]
    first = data[data["visit"] == asked.visits[0]]
    variable = cohort.study.variables[asked.variable]
    lowest = asked.norms[0]
    said = [
        f"{cohort.study.groups[g].label} {of_n((mine['place'] == 'below').sum(), len(mine))}"
        for g in asked.groups
        if len(mine := first[first["group_id"] == g])
    ]
    in_band = first[first["age_years"].between(lowest.from_age, lowest.below_age, inclusive="left")]
    younger = int((first["place"] == "younger").sum())
    first_visit = asked.visits[0].replace("_", " ")
    text = (
        f"Healthy people from {lowest.from_age:g} to under {lowest.below_age:g} years average {lowest.mean:g}"
        f" of {asked.full_score:g}; {variable.label} below {_lower(asked, lowest):.1f} is below their norm."
        f" At {first_visit} below the norm for age: {listed(said)}."
        f" {plural(len(in_band), 'patient is', 'patients are')} of that age and {younger} younger, where no"
        f" norm is known: against {asked.full_score:g} they would look weaker than they are."
    )
    bands = pd.DataFrame(
        [
            {
                "from_age": b.from_age,
                "below_age": b.below_age,
                "mean": b.mean,
                "sd": b.sd,
                "lower": _lower(asked, b),
                "upper": min(b.mean + asked.reference_z * b.sd, asked.full_score),
                "full_score": asked.full_score,
                "n": b.n,
                "source": b.source,
            }
            for b in asked.norms
        ]
    )
    points = data.assign(line=data["patient"].map(line))[
        ["line", "group_id", "visit", "age_years", "value", "place"]
    ]
    return Answer(
        rows,
        text,
        (
            "Norms rest on few healthy people ("
            + "; ".join(
                f"{b.n or 'number not stated'} from {b.from_age:g} to {b.below_age:g} years: {b.source}"
                for b in asked.norms
            )
            + "). Beyond their ages somebody older counts as below the norm only below what the last norm"
            " allows, for healthy people score no lower as they grow; above that no norm given here decides."
        ),
        more={"norm_band": bands, "norm_patient": points},
    )


def _lower(asked: NormForAge, band: Any) -> float:
    return band.mean - asked.reference_z * band.sd


def _place(asked: NormForAge, age: float, value: float) -> str:
    if np.isnan(age):
        return "no_age"
    reached = [b for b in asked.norms if b.from_age <= age]
    if not reached:
        return "younger"
    band = reached[-1]
    if value < _lower(asked, band):
        return "below"
    if age < band.below_age:
        return "within"
    if asked.full_from_age is not None and age >= asked.full_from_age:
        return "within" if value >= asked.full_score else "below"
    return "within" if value >= asked.full_score else "open"


def _method(asked: NormForAge) -> str:
    return f"below mean - {asked.reference_z:g} SD of healthy people of that age"
