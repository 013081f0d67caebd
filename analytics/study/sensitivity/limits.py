"""Values beyond a detection limit: as a table counts them, and as the bounds that they are.

Belongs here: the rows of tables that hold such values, described and tested three ways. Does not belong
here: the tests (`analytics/censored/groups.py`), what a table prints (`table_one.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analytics.status import NOT_ESTIMABLE, OK
from analytics.study.analyses import BaselineTable
from analytics.study.cohort import Cohort
from analytics.study.frames import records
from analytics.study.sensitivity.rows import (
    Answer,
    from_test,
    of_n,
    others,
    pair_label,
    plural,
    row,
    sides_changed,
)
from analytics.study.sensitivity_keys import DetectionLimits
from analytics.words.wording import listed

SIDES = {
    "below": "below one",
    "above": "above one, as a ratio whose denominator is below its own",
    "open": "without a limit on either side, as a ratio of two such values",
}
COUNTED_AS = {"limit": "the limit", "half_limit": "half the limit", "exclude": "missing", "bounds": "bounds"}


def detection_limits(asked: DetectionLimits, cohort: Cohort, results: Mapping[str, pd.DataFrame]) -> Answer:
    printed = {
        (r["table_id"], r["variable"], r["group_a"], r["group_b"]): r
        for r in records(results.get("group_comparison"))
    }
    summaries = {
        (r["table_id"], r["variable"], r["group_id"]): r for r in records(results.get("baseline_summary"))
    }
    rows: list[dict[str, Any]] = []
    most, changed, compared = [], [], 0
    sides: Counter[str] = Counter()
    for table in cohort.study.tables:
        if table.table_id not in asked.tables:
            continue
        for name, data in _censored_rows(cohort, table):
            label = cohort.study.variables[name].label
            sides += _sides(data)
            shares = data.groupby("group_id")["hidden"].agg(["sum", "count"])
            worst = (shares["sum"] / shares["count"]).idxmax()
            most.append(
                (
                    shares.loc[worst, "sum"] / shares.loc[worst, "count"],
                    f"{label} {of_n(*shares.loc[worst])} ({cohort.study.groups[worst].label}, Table "
                    f"{table.table_id})",
                )
            )
            for other in others(table.groups, table.reference):
                pair = (table.reference, other)
                if not data.loc[data["group_id"].isin(pair), "hidden"].any():
                    continue
                found = _three_ways(cohort, table, name, pair, data, printed, summaries)
                rows += found
                compared += 1
                if sides_changed(r["p_value"] for r in found if "p_value" in r):
                    changed.append(f"{label} (Table {table.table_id}, {pair_label(cohort, *pair)})")
    if not rows:
        return Answer([], "No value of these tables lies beyond a detection limit.", "")
    often = [text for _, text in sorted(most, key=lambda m: -m[0])[:3]]
    n_rows = len({(r["part"], r["subject"]) for r in rows})
    text = (
        f"{plural(n_rows, 'row')} of the tables {'holds' if n_rows == 1 else 'hold'} values beyond a "
        "detection limit "
        f"({listed(f'{sides[side]} {words}' for side, words in SIDES.items() if sides[side])}); most of all "
        f"{listed(often)}. "
        + (
            f"The verdict at 0.05 hangs on how they count in {len(changed)} of {compared} comparisons: "
            f"{listed(changed)}."
            if changed
            else f"None of {plural(compared, 'comparison')} changes sides of p = 0.05; medians and "
            "quartiles at the limit do change: they are bounds."
        )
    )
    return Answer(
        rows,
        text,
        (
            "If most values of a group lie beyond the limit, the group has no median, and the table prints "
            "a bound. Where the limits differ between hospitals a rank test compares limits as well as "
            "patients. Ratios of geometric means trust a log-normal shape that so few measured values "
            "cannot show."
        ),
    )


def _censored_rows(cohort: Cohort, table: BaselineTable) -> list[tuple[str, pd.DataFrame]]:
    """Variables of a table with hidden values: ``group_id, lower, upper, hidden`` by patient."""
    members = cohort.of(table.groups)[["patient", "group_id"]]
    found = []
    for table_row in table.rows:
        if table_row.summary == "count_percent":
            continue
        values = cohort.value(table_row.variable, table.at)
        if not values["is_censored"].any():
            continue
        data = members.merge(cohort.bounds(table_row.variable, table.at), on="patient")
        data = data.merge(values[["patient", "is_censored"]], on="patient").rename(
            columns={"is_censored": "hidden"}
        )
        data = data[data["lower"].notna() | data["upper"].notna() | data["hidden"]]
        if data["hidden"].any():
            found.append((table_row.variable, data.reset_index(drop=True)))
    return found


def _sides(data: pd.DataFrame) -> Counter[str]:
    """On which side of a limit the hidden values lie. No value is below 0, so a lower bound of 0 says
    nothing.
    """
    hidden = data[data["hidden"]]
    is_above = hidden["upper"].isna() & (hidden["lower"] > 0)
    is_below = hidden["upper"].notna()
    return Counter(
        below=int(is_below.sum()), above=int(is_above.sum()), open=int((~is_above & ~is_below).sum())
    )


def _three_ways(
    cohort: Cohort,
    table: BaselineTable,
    name: str,
    pair: tuple[str, str],
    data: pd.DataFrame,
    printed: Mapping[Any, Any],
    summaries: Mapping[Any, Any],
) -> list[dict[str, Any]]:
    from analytics.censored.groups import censored_two_groups
    from analytics.censored.summary import summarise_censored

    variable = cohort.study.variables[name]
    shared = {
        "part": f"Table {table.table_id}",
        "label": f"{variable.label}: {pair_label(cohort, *pair)}",
        "subject": name,
        "group_a": pair[0],
        "group_b": pair[1],
        "visit": table.when,
        "beside": f"group_comparison {table.table_id} {name} {pair[0]} {pair[1]}",
    }
    rows = []
    decimals, keep_zeros = (2, False) if variable.decimals is None else (variable.decimals, True)
    for which, group in zip(("first", "second"), pair):
        part = data[data["group_id"] == group]
        was = summaries.get((table.table_id, name, group), {})
        rows.append(
            row(
                variant=f"{which}_printed",
                **shared,
                display=was.get("display"),
                n=was.get("n"),
                method=was.get("method"),
            )
        )
        try:
            now = summarise_censored(part, decimals=decimals, keep_zeros=keep_zeros).iloc[0]
            rows.append(
                row(
                    variant=f"{which}_as_bounds",
                    **shared,
                    display=now["display"],
                    n=now["n"],
                    count=int(part["hidden"].sum()),
                    method="bounds of sample quartiles",
                )
            )
        except ValueError as fault:
            rows.append(row(variant=f"{which}_as_bounds", **shared) | _refused(fault))
    was = printed.get((table.table_id, name, *pair), {})
    rows.append(
        row(
            variant="as_printed",
            **shared,
            **{k: was.get(k) for k in ("statistic", "p_value", "n", "ci_low", "ci_high")},
            estimate=was.get("effect"),
            estimate_kind=was.get("effect_kind"),
            status=was.get("status") or NOT_ESTIMABLE,
            method=f"{was.get('method')}, hidden values as {COUNTED_AS[variable.censored]}",
            note=was.get("note") or "",
        )
    )
    for method in ("peto_prentice", "gehan"):
        try:
            found = censored_two_groups(data, group="group_id", groups=pair, method=method)
        except ValueError as fault:
            rows.append(row(variant=method, **shared) | _refused(fault))
            continue
        numbers = from_test(found)
        if method == "gehan":
            bounds = found.effect_of("probability_greater") if found.more_effects else None
            numbers |= {
                "estimate": None,
                "estimate_kind": "probability_greater_bounds",
                "note": "" if found.status == OK else found.note,
                "ci_low": bounds and bounds.ci_low,
                "ci_high": bounds and bounds.ci_high,
            }
        rows.append(row(variant=method, **shared) | numbers)
    return rows


def _refused(fault: ValueError) -> dict[str, Any]:
    return {"status": NOT_ESTIMABLE, "note": str(fault)}
