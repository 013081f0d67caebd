"""Who was lost to follow-up, and what that could change.

Belongs here: lost against retained, an endpoint under the two extremes. Does not belong here: missing values
(`missing.py`, `imputed.py`), tipping points (`tipping.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analytics.status import OK
from analytics.study.cohort import Cohort
from analytics.study.events import strata_of
from analytics.study.frames import records
from analytics.study.sensitivity.rows import (
    Answer,
    comparison_key,
    from_test,
    of_n,
    others,
    p_text,
    pair_label,
    plural,
    printed_comparison,
    row,
    sides_changed,
)
from analytics.study.sensitivity.tipping import lost_arms, tipping_rows, tipping_sentence, ways
from analytics.study.sensitivity_keys import LostToFollowUp
from analytics.words.disclosure import known
from analytics.words.formatting import format_median_iqr, format_p
from analytics.words.wording import listed

Results = Mapping[str, pd.DataFrame]
# of the lost: whether those of the reference had the event, and whether those of the other groups had it
SCENARIOS: dict[str, tuple[bool, bool] | None] = {
    "observed": None,
    "all_had_it": (True, True),
    "none_had_it": (False, False),
    "reference_had_it": (True, False),
    "others_had_it": (False, True),
}


def lost_to_follow_up(asked: LostToFollowUp, cohort: Cohort, results: Results) -> Answer:
    times = cohort.time_to(asked.endpoint)
    times = times[times["group_id"].isin(asked.groups)].assign(
        lost=lambda d: ~d["outcome_known"].astype(bool)
    )
    endpoint = cohort.study.endpoints[asked.endpoint]
    n_lost = int(times["lost"].sum())
    if not n_lost:
        return Answer(
            [], f"Nobody was lost before {endpoint.horizon_months:g} months or had an unknown outcome.", ""
        )
    rows = [*_lost_against_retained(asked, cohort, times), *_bounds(asked, cohort, times, results)]
    labels = {g: spec.label for g, spec in cohort.study.groups.items()}
    arms = lost_arms(times.assign(is_event=times["is_event"].astype(bool)), asked.groups, labels)
    tips = []
    for other in others(asked.groups, asked.reference):
        a, b = arms[asked.reference], arms[other]
        if a.n and b.n:
            found = ways(a, b)
            shared = {"subject": asked.endpoint, "group_a": asked.reference, "group_b": other}
            rows += tipping_rows(a, b, found, shared)
            tips.append(tipping_sentence(a, b, found))
    by_group = [
        f"{of_n(part['lost'].sum(), len(part))} {cohort.study.groups[g].label}"
        for g, part in times.groupby("group_id", sort=False)
        if part["lost"].any()
    ]
    tested: dict[str, list[dict[str, Any]]] = {}
    for r in rows:
        if r["part"] == "bounds" and r["variant"] in SCENARIOS:
            tested.setdefault(r["label"], []).append(r)
    changed = [
        f"{label} ({_p_range(part)})"
        for label, part in tested.items()
        if sides_changed(r.get("p_value") for r in part)
    ]
    text = (
        f"Lost before {endpoint.horizon_months:g} months: {listed(by_group)}. As observed, and if all of "
        "them had the event when last seen, none within the horizon, or only those of one side of each "
        "comparison, "
        + (
            f"the verdict at 0.05 changes for {listed(changed)}."
            if changed
            else "no comparison changes sides of p = 0.05."
        )
        + " Whichever of the lost had the event, the difference of proportions lies as follows: "
        f"{'; '.join(tips)}." + _why_denominators_differ(asked, cohort, times, rows)
    )
    return Answer(
        rows,
        text,
        (
            "The opposite extremes bound a difference of proportions, whichever of the "
            f"{plural(n_lost, 'lost patient')} had the event. They bound neither a p value, which can be "
            "greater in between, nor a curve, which depends also on when. Which way is true, the data "
            "cannot tell. A comparison of the lost with the retained rests on so few that its interval is "
            "wide, and a high p value says nothing."
        ),
    )


def _p_range(rows: list[dict[str, Any]]) -> str:
    found = [r["p_value"] for r in rows if known(r.get("p_value"))]
    return f"p from {format_p(min(found))} to {format_p(max(found))}"


def _lost_against_retained(
    asked: LostToFollowUp, cohort: Cohort, times: pd.DataFrame
) -> list[dict[str, Any]]:
    """Within the groups that lost anybody."""
    from analytics.groups.counts import fisher
    from analytics.groups.two_groups import mann_whitney

    touched = times.loc[times["lost"], "group_id"].unique()
    inside = times[times["group_id"].isin(touched)][["patient", "lost"]]
    inside = inside.assign(side=inside["lost"].map({True: "lost", False: "retained"}))
    rows = []
    for name in asked.variables:
        variable = cohort.study.variables[name]
        data = inside.merge(cohort.value(name, asked.visit)[["patient", "value"]], on="patient")
        is_yes_no = data["value"].dropna().isin((0.0, 1.0)).all()
        shared = {
            "part": "lost against retained",
            "subject": name,
            "visit": asked.visit,
            "label": f"{variable.label} ({variable.unit})" if variable.unit else variable.label,
        }
        for side in ("lost", "retained"):
            values = data.loc[data["side"] == side, "value"].dropna()
            found: dict[str, Any] = (
                {"count": int(values.sum()), "method": "count"}
                if is_yes_no
                else {
                    "display": _median_iqr(values) if len(values) else "",
                    "method": "median (quartiles)",
                }
            )
            rows.append(row(variant=side, n=len(values), **shared, **found))
        groups = ("lost", "retained")
        test = (
            fisher(data, value="value", group="side", groups=groups, level=1.0)
            if is_yes_no
            else mann_whitney(data, value="value", group="side", groups=groups, method="exact")
        )
        rows.append(row(variant="lost_minus_retained", **shared) | from_test(test))
    return rows


def _median_iqr(values: pd.Series) -> str:
    median, q1, q3 = values.quantile([0.5, 0.25, 0.75])
    return format_median_iqr(median, q1, q3, keep_zeros=False)


def _bounds(
    asked: LostToFollowUp, cohort: Cohort, times: pd.DataFrame, results: Results
) -> list[dict[str, Any]]:
    """Fisher's test and the log-rank test with the lost as they are, and in the four extremes.

    Where a table prints the endpoint, its own count stands first: it may count patients whom the horizon
    leaves open.
    """
    from analytics.groups.counts import fisher
    from analytics.survival.log_rank import log_rank

    horizon = cohort.study.endpoints[asked.endpoint].horizon_months
    counted = [
        n
        for n, v in cohort.study.variables.items()
        if v.source == "endpoint" and (v.of or n) == asked.endpoint
    ]
    rows = []
    strata = strata_of(cohort, asked.endpoint)
    for name in counted[:1]:
        rows += _as_the_table_counts(asked, cohort, results, name)
    is_reference = times["group_id"].eq(asked.reference)
    for variant, had_it in SCENARIOS.items():
        data = times.assign(event=times["is_event"].astype(bool), time=times["time_months"].astype(float))
        data["outcome"] = data["event"].astype(float).where(data["outcome_known"].astype(bool))
        if had_it is not None:
            with_it = is_reference.map({True: had_it[0], False: had_it[1]}).astype(bool)
            data.loc[data["lost"], "event"] = with_it
            data.loc[data["lost"], "outcome"] = with_it.astype(float)
            data.loc[data["lost"] & ~with_it, "time"] = horizon
        tests = log_rank(
            data, "time", "event", "group_id", levels=asked.groups, pairwise=True, strata=strata
        ).summary
        for other in others(asked.groups, asked.reference):
            label = pair_label(cohort, asked.reference, other)
            pair = {"part": "bounds", "subject": asked.endpoint, "group_a": asked.reference, "group_b": other}
            found = fisher(
                data, value="outcome", group="group_id", groups=(asked.reference, other), level=1.0
            )
            risk = next((e for e in found.more_effects if e.kind == "risk_difference"), None)
            keys = (printed_comparison(results, name, asked.reference, other) for name in counted)
            numbers = from_test(found, beside=next(filter(None, keys), None))
            if risk is not None:
                numbers |= {
                    "estimate": risk.estimate,
                    "estimate_kind": risk.kind,
                    "ci_low": risk.ci_low,
                    "ci_high": risk.ci_high,
                }
            counts = [data.loc[data["group_id"] == g, "outcome"].dropna() for g in (asked.reference, other)]
            display = " vs ".join(f"{int(c.sum())}/{len(c)}" for c in counts)
            rows.append(row(f"Proportion: {label}", variant, **pair, display=display) | numbers)
            both = tests[
                tests["scope"].eq("pairwise")
                & tests["group_a"].isin((asked.reference, other))
                & tests["group_b"].isin((asked.reference, other))
            ].iloc[0]
            rows.append(_log_rank_row(f"Log-rank: {label}", variant, both, pair))
        overall = {"part": "bounds", "subject": asked.endpoint}
        rows.append(_log_rank_row("Log-rank: all groups", variant, tests.iloc[0], overall))
    order = list(dict.fromkeys(r["label"] for r in rows if r["variant"] in SCENARIOS))
    return sorted(rows, key=lambda r: (not r["label"].startswith("Proportion"), order.index(r["label"])))


def _as_the_table_counts(
    asked: LostToFollowUp, cohort: Cohort, results: Results, name: str
) -> list[dict[str, Any]]:
    """The printed comparisons of the endpoint, with the counts that they rest on."""
    values = cohort.value(name, asked.visit).merge(
        cohort.of(asked.groups)[["patient", "group_id"]], on="patient"
    )
    rows = []
    for found in records(results.get("group_comparison")):
        pair = (asked.reference, found["group_b"])
        if (
            found["variable"] != name
            or found["group_a"] != asked.reference
            or found["group_b"] not in asked.groups
        ):
            continue
        counts = [values.loc[values["group_id"] == g, "value"].dropna() for g in pair]
        rows.append(
            row(
                f"Proportion: {pair_label(cohort, *pair)}",
                "as_the_table_counts",
                part="bounds",
                subject=asked.endpoint,
                group_a=pair[0],
                group_b=pair[1],
                display=" vs ".join(f"{int(c.sum())}/{len(c)}" for c in counts),
                **{k: found[k] for k in ("p_value", "n", "method", "status")},
                note="" if found["status"] == OK else found["note"],
                beside=comparison_key(found),
            )
        )
    return rows


def _why_denominators_differ(
    asked: LostToFollowUp, cohort: Cohort, times: pd.DataFrame, rows: list[dict[str, Any]]
) -> str:
    """Why a table counts the endpoint among more patients than this analysis does; empty where it does
    not.
    """
    endpoint = cohort.study.endpoints[asked.endpoint]
    here = {r["label"]: r for r in rows if r["variant"] == "observed" and r["part"] == "bounds"}
    said = []
    for r in rows:
        if r["variant"] != "as_the_table_counts" or r["display"] == here[r["label"]]["display"]:
            continue
        table = str(r["beside"]).split(" ")[1]
        mine = here[r["label"]]
        pair = r["label"].removeprefix("Proportion: ")
        said.append(
            f"{pair} is {r['display']} in Table {table} ({p_text(r['p_value'])}) and {mine['display']} as "
            f"observed here ({p_text(mine['p_value'])})"
        )
    if not said or endpoint.counted_from_months is None:
        return ""
    return (
        " The denominators differ from the tables' on purpose: a table counts who was seen for "
        f"{endpoint.counted_from_months:g} months without the event as without it; here only who had it or "
        f"was followed for {endpoint.horizon_months:g} months counts. {listed(said)}."
    )


def _log_rank_row(label: str, variant: str, found: pd.Series, shared: dict[str, Any]) -> dict[str, Any]:
    return row(
        label,
        variant,
        **shared,
        **{k: found[k] for k in ("statistic", "df", "p_value", "n", "method", "status", "note")},
        count=found["events"],
        beside=f"log_rank {shared['subject']} {found['scope']}",
    )
