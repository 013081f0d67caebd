"""What is missing, in whom and when.

Belongs here: counts of missing values, by variable, group and visit. Does not belong here: what the missing
values could change (`imputed.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analytics.study.cohort import Cohort
from analytics.study.sensitivity.rows import Answer, of_n, row
from analytics.study.sensitivity_keys import MissingValues
from analytics.words.wording import opened

Results = Mapping[str, pd.DataFrame]


def missing_values(asked: MissingValues, cohort: Cohort, results: Results) -> Answer:
    from analytics.missing.missing_data import missing_patterns

    study = cohort.study
    rows: list[dict[str, Any]] = []
    said = []
    for table in study.tables:
        if table.table_id not in asked.tables:
            continue
        members = cohort.of(table.groups)[["patient", "group_id"]]
        lacking = 0
        for table_row in table.rows:
            values = members.merge(cohort.value(table_row.variable, table.at), on="patient")
            gone = values["value"].isna() & ~values["is_censored"]
            lacking += bool(gone.any())
            rows += (
                _missing_rows(
                    f"Table {table.table_id}",
                    study.variables[table_row.variable].label,
                    table_row.variable,
                    table.when,
                    table.groups,
                    values,
                    gone,
                )
                if gone.any()
                else []
            )
        said.append(f"Table {table.table_id}: {of_n(lacking, len(table.rows))} variables lack a value")
    for model in study.mixed_models:
        if model.model_id not in asked.models:
            continue
        long = cohort.over_visits(model.response, model.visits)
        long = long[long["group_id"].isin(model.groups)]
        if long.empty:  # a hospital may be withdrawn, and its groups with it
            said.append(f"{model.title}: no patient is in its groups")
            continue
        gone = long["value"].isna() & ~long["is_censored"]
        for visit in model.visits:
            at = long["visit"] == visit
            rows += _missing_rows(
                model.title, opened(visit), model.response, visit, model.groups, long[at], gone[at]
            )
        wide = long.pivot(index="patient", columns="visit", values="value")
        pattern = missing_patterns(wide.reset_index(), model.visits)
        leaves = (
            "who misses a visit does not come back"
            if pattern.is_monotone
            else "some miss a visit and come back"
        )
        said.append(
            f"{model.title}: {of_n(gone.sum(), len(long))} values are missing,"
            f" {of_n(pattern.n_complete, pattern.n)} patients have every"
            f" visit ({leaves})"
            if gone.any()
            else f"{model.title}: nothing is missing"
        )
    return Answer(
        rows,
        ". ".join(said) + ".",
        (
            "Counts say how much is missing, not why. A mixed model uses every value there is and is right"
            " if, given the values seen,"
            " missing ones are like them; tables leave the patient out."
        ),
    )


def _missing_rows(
    part: str, label: str, variable: str, visit: str, groups: list[str], values: pd.DataFrame, gone: pd.Series
) -> list[dict[str, Any]]:
    return [
        row(
            label,
            g,
            part=part,
            subject=variable,
            group_a=g,
            visit=visit,
            count=int(gone[values["group_id"] == g].sum()),
            n=int((values["group_id"] == g).sum()),
            method="count of missing values",
        )
        for g in groups
    ]
