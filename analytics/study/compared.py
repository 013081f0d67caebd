"""The step of the baseline tables: summaries by group, and comparisons of groups.

Does not belong here: the summaries and tests themselves (`analytics/baseline/`, `analytics/censored/`).
"""

from __future__ import annotations

import pandas as pd

from analytics.study.cohort import Cohort, scaled
from analytics.study.step_parts import Results, of_the_scale, stack


def compare_groups(cohort: Cohort) -> Results:
    """baseline_summary and group_comparison of every table of the study."""
    from analytics.baseline.table_one import VariableSpec, table_one

    study = cohort.study
    summaries: list[pd.DataFrame] = []
    comparisons: list[pd.DataFrame] = []
    for table in study.tables:
        members = cohort.of(table.groups)
        wide = members[["patient", "group_id"]].copy()
        specs = []
        for row in table.rows:
            variable = study.variables[row.variable]
            columns, bounds = {"value": row.variable}, None
            values = cohort.value(row.variable, table.at)[["patient", "value"]]
            values["value"] = scaled(values["value"], row.transform)
            if variable.censored == "bounds":
                bounds = (f"{row.variable} lower", f"{row.variable} upper")
                values, columns = (
                    cohort.bounds(row.variable, table.at),
                    dict(zip(("lower", "upper"), bounds)),
                )
            wide = wide.merge(values.rename(columns=columns), on="patient")
            specs.append(
                VariableSpec(
                    name=row.variable,
                    kind=row.summary,
                    test=row.test,
                    tests=row.tests,
                    decimals=variable.decimals,
                    bounds=bounds,
                    overall=row.overall,
                )
            )
        pairs = [(table.reference, g) for g in table.groups if g != table.reference]
        summary, comparison = table_one(
            wide,
            specs,
            group="group_id",
            groups=table.groups,
            comparisons=pairs,
            adjust=table.adjust,
            table_id=table.table_id,
        )
        position = {row.variable: i for i, row in enumerate(table.rows)}
        said = {row.variable: of_the_scale(row.transform) for row in table.rows if row.transform != "none"}
        for frame, all_tables in ((summary, summaries), (comparison, comparisons)):
            note = [
                f"{said[v]} {n}".strip() if v in said else n
                for v, n in zip(frame["variable"], frame["note"], strict=True)
            ]
            all_tables.append(frame.assign(position=frame["variable"].map(position), note=note))
    return {"baseline_summary": stack(summaries), "group_comparison": stack(comparisons)}
