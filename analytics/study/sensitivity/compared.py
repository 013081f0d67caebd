"""Answers that lay results of the study side by side: comparisons adjusted together, models, log-rank tests.

Belongs here: choosing rows of results and what they say together. Does not belong here: fitting a model
(the study's own steps do), data that results do not hold (`groups.py`, `limits.py`, …).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analytics.declared_tests import TIME_TO_EVENT, statistical_tests
from analytics.status import NOT_ESTIMABLE, OK
from analytics.study.cohort import Cohort
from analytics.study.events import strata_of, times
from analytics.study.frames import records
from analytics.study.sensitivity.rows import (
    NOMINAL,
    Answer,
    comparison_key,
    number,
    pair_label,
    plural,
    row,
    sides_changed,
)
from analytics.study.sensitivity_keys import CompareModels, LogRankVariants, Multiplicity, RestrictedMeans
from analytics.words.disclosure import known
from analytics.words.formatting import format_number
from analytics.words.wording import adjustment_words, listed, term_words, test_words

Results = Mapping[str, pd.DataFrame]
RATIO_KINDS = {
    "cox": "hazard_ratio",
    "fine_gray": "subdistribution_hazard_ratio",
    "recurrent": "rate_ratio",
    "frailty": "hazard_ratio",
}


def multiplicity(asked: Multiplicity, cohort: Cohort, results: Results) -> Answer:
    """All comparisons of the tables are adjusted together; those with p below the level are shown."""
    from analytics.multiplicity import adjust_p_values

    comparisons = results["group_comparison"]
    comparisons = comparisons[comparisons["table_id"].isin(asked.tables)].reset_index(drop=True)
    p = comparisons["p_value"].astype(float)
    adjusted = {method: adjust_p_values(p.to_numpy(), method) for method in asked.adjust}
    shown = comparisons.index[p < asked.level]
    rows: list[dict[str, Any]] = []
    for i in shown:
        found = comparisons.loc[i].to_dict()
        variable = cohort.study.variables[found["variable"]]
        is_pair = isinstance(found["group_a"], str)
        pair = pair_label(cohort, found["group_a"], found["group_b"]) if is_pair else "all groups"
        shared = {
            "part": f"Table {found['table_id']}",
            "subject": found["variable"],
            "group_a": found["group_a"] if is_pair else None,
            "group_b": found["group_b"] if is_pair else None,
            "n": found["n"],
            "status": found["status"],
            "note": found["note"],
            "beside": comparison_key(found),
            "label": f"{variable.label}: {pair}",
        }
        rows.append(
            row(
                variant="as_printed",
                **shared,
                estimate=found["effect"],
                estimate_kind=found["effect_kind"],
                ci_low=found["ci_low"],
                ci_high=found["ci_high"],
                p_value=found["p_value"],
                method=found["method"],
            )
        )
        second = [
            found["second_effect"],
            found["second_effect_kind"],
            found["second_ci_low"],
            found["second_ci_high"],
        ]
        if not is_pair:  # an effect of all groups has no unit: it is standardised already
            second = [found["effect"], found["effect_kind"], found["ci_low"], found["ci_high"]]
        rows.append(
            row(
                variant="standardised",
                **shared,
                **dict(zip(("estimate", "estimate_kind", "ci_low", "ci_high"), second, strict=True)),
                method=found["method"],
            )
        )
        rows += [
            row(
                variant=f"adjusted_{method}",
                **shared,
                p_value=float(values[i]),
                method=f"{adjustment_words(method)} over {int(p.notna().sum())} comparisons",
            )
            for method, values in adjusted.items()
        ]
    kept = {m: int((v[p.notna()] < asked.level).sum()) for m, v in adjusted.items()}
    n = int(p.notna().sum())
    remain = "; ".join(f"after {adjustment_words(m)} over all of them {k} remain" for m, k in kept.items())
    text = (
        f"{len(shown)} of {n} comparisons have p below {asked.level:g}; {asked.level * n:.0f} would by "
        f"chance alone if no groups differed. {remain[:1].upper()}{remain[1:]}."
    )
    return Answer(
        rows,
        text,
        (
            "A p value above the level is no evidence of equality: read the interval. Effects of the "
            "comparisons that are not listed stand in the tables above. A comparison that does not remain "
            "after adjustment is not shown to be chance, only not shown to be more. Adjustment treats the "
            "comparisons as planned beforehand; it cannot undo a choice of test after a look at the data."
        ),
    )


def compare_models(asked: CompareModels, cohort: Cohort, results: Results) -> Answer:
    models = {m["model_id"]: m for m in records(results.get("model")) if m["model_id"] in asked.models}
    rows: list[dict[str, Any]] = []
    for model_id in asked.models:
        model = models.get(model_id)
        if model is None:
            continue
        table = "cox_term" if model["kind"] in RATIO_KINDS else "mixed_model_term"
        found = [r for r in records(results.get(table)) if r["model_id"] == model_id]
        make = _ratio_row if table == "cox_term" else _test_row
        rows += [make(cohort, model, r) for r in found]
    rows = _by_label(rows)
    if not rows:
        return Answer(
            [], "None of these models has terms in the results.", "", status=NOT_ESTIMABLE, note="no terms"
        )
    by_label = _grouped(rows)
    changed = [label for label, found in by_label.items() if sides_changed(r["p_value"] for r in found)]
    if changed:
        text = f"The verdict at {NOMINAL:g} depends on the model or test for " + listed(
            f"{label} (p {_span([r['p_value'] for r in by_label[label]], 3)})" for label in changed
        )
    else:
        text = f"No term changes sides of p = {NOMINAL:g} between these models and tests"
    ratios = {
        label: [r for r in found if r.get("estimate_kind") and known(r["estimate"])]
        for label, found in by_label.items()
    }
    if any(ratios.values()):
        text += ". Ratios, with the outermost ends of their intervals: " + listed(
            f"{label} {_span([r['estimate'] for r in found], 2)}"
            f" ({min(number(r['ci_low']) for r in found):.2g} to"
            f" {max(number(r['ci_high']) for r in found):.2g})"
            for label, found in ratios.items()
            if found
        )
    text += "."
    doubtful = [
        f"{m['title']} ({m['status'].replace('_', ' ')})"
        for m in models.values()
        if (m.get("status") or OK) != OK
    ]
    if doubtful:
        text += f" Read with care: {listed(doubtful)}."
    return Answer(
        rows,
        text,
        (
            "Agreement between models says that the answer does not hang on the choice among them, not "
            "that one of them is right."
        ),
    )


def _span(values: list[float | None], decimals: int) -> str:
    """``0.09 to 0.12``; one number where they print alike."""
    found = [format_number(v, decimals) for v in (min(filter(known, values)), max(filter(known, values)))]
    return " to ".join(dict.fromkeys(found))


def _test_row(cohort: Cohort, model: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    degrees = [
        format_number(found[c], 1, keep_zeros=False) for c in ("df_num", "df_den") if known(found.get(c))
    ]
    sign = "χ²" if found["test"] == "wald_chi_square" else "F"
    display = (
        f"{sign} {format_number(found['statistic'], 2)}, df {', '.join(degrees)}"
        if known(found["statistic"])
        else ""
    )
    return row(
        term_words(found["term"]),
        f"{model['model_id']}:{found['test']}",
        subject=found["term"],
        statistic=found["statistic"],
        df=found.get("df_num"),
        df_den=found.get("df_den"),
        p_value=found["p_value"],
        display=display,
        n=model["n"],
        method=f"{model['method']}; {test_words(found['test'])}",
        status=_worse(found, model),
        note=_note(found, model),
        beside=f"mixed_model_term {model['model_id']}",
    )


def _ratio_row(cohort: Cohort, model: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    groups, variables = cohort.study.groups, cohort.study.variables
    level = str(found["term"]).removeprefix("group")
    if found.get("reference") in groups and level in groups:
        label = f"{groups[level].label} vs {groups[found['reference']].label}"
    else:
        label = variables[found["term"]].label if found["term"] in variables else str(found["term"])
    return row(
        label,
        model["model_id"],
        subject=found["term"],
        group_a=level if level in groups else None,
        group_b=found.get("reference"),
        estimate=found["hazard_ratio"],
        estimate_kind=RATIO_KINDS[model["kind"]],
        ci_low=found["ci_low"],
        ci_high=found["ci_high"],
        statistic=found["statistic"],
        p_value=found["p_value"],
        n=model["n"],
        count=model["n_events"],
        method=model["method"],
        status=_worse(found, model),
        note=_note(found, model),
        beside=f"cox_term {model['model_id']}",
    )


def _worse(found: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    return next((s for s in (found.get("status"), model.get("status")) if s and s != OK), OK)


def _note(found: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """The row's own remark; the model's too where it is not ok."""
    said = [found.get("note"), model.get("note") if (model.get("status") or OK) != OK else ""]
    return "; ".join(dict.fromkeys(t.rstrip(".") for t in said if t))


def _grouped(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for r in rows:
        found.setdefault(r["label"], []).append(r)
    return found


def _by_label(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for found in _grouped(rows).values() for r in found]


def log_rank_variants(asked: LogRankVariants, cohort: Cohort, results: Results) -> Answer:
    from analytics.survival.log_rank import log_rank
    from analytics.survival.permutation import permutation_log_rank_k

    data = times(cohort, asked.endpoint, asked.groups)
    options: dict[str, Any] = {"levels": asked.groups, "pairwise": True}
    tests, strata = statistical_tests(TIME_TO_EVENT), strata_of(cohort, asked.endpoint)
    found = {"as_printed": log_rank(data, "time", "event", "group_id", **options, strata=strata).summary}
    for variant in asked.variants:
        how: dict[str, Any] = (
            {"method": "exact"} if variant == "exact" else {**tests[variant].options, "strata": strata}
        )
        found[variant] = log_rank(data, "time", "event", "group_id", **options, **how).summary
    if "exact" in found and len(asked.groups) > 2:
        codes = data["group_id"].map({g: i for i, g in enumerate(asked.groups)}).to_numpy()
        drawn = permutation_log_rank_k(
            data["time"].to_numpy(), data["event"].to_numpy(), codes, asked.draws, asked.seed
        )
        first = found["exact"].index[0]
        found["exact"].loc[first, ["statistic", "p_value", "status", "note"]] = [
            drawn.statistic,
            drawn.p_value,
            drawn.status,
            drawn.note,
        ]
        found["exact"].loc[first, "method"] = f"log-rank, {asked.draws} permutations"
    rows = []
    for i in range(len(found["as_printed"])):
        for variant, table in found.items():
            r = table.iloc[i]
            overall = r["scope"] == "overall"
            rows.append(
                row(
                    "All groups" if overall else pair_label(cohort, r["group_a"], r["group_b"]),
                    variant,
                    subject=asked.endpoint,
                    group_a=r["group_a"],
                    group_b=r["group_b"],
                    statistic=r["statistic"],
                    df=r["df"],
                    p_value=r["p_value"],
                    n=r["n"],
                    count=r["events"],
                    method=r["method"],
                    status=r["status"],
                    note=r["note"],
                    beside=f"log_rank {asked.endpoint} {r['scope']}",
                )
            )
    if strata:
        for r in rows:
            if r["variant"] == "exact":
                r["note"] = f"{r['note']} Without the strata, which the exact test does not know.".strip()
    changed = [label for label, part in _grouped(rows).items() if sides_changed(r["p_value"] for r in part)]
    events = int(data["event"].sum())
    few = [
        f"{cohort.study.groups[g].label} {plural(int(n), 'event')}"
        for g, n in data.groupby("group_id")["event"].sum().items()
        if n < 5
    ]
    text = (
        f"{plural(events, 'event')} in {plural(len(data), 'patient')}"
        + (f"; few of them: {listed(few)}. " if few else ". ")
        + (
            f"The verdict at {NOMINAL:g} depends on the test for {listed(changed)}."
            if changed
            else f"Every comparison stays on the same side of p = {NOMINAL:g} whichever way it is tested."
        )
    )
    return Answer(
        rows,
        text,
        (
            "An exact p value is exact for the hypothesis of equal curves and equal follow-up; it does not"
            " say how large a difference"
            " the data would have shown."
        ),
    )


def restricted_mean(asked: RestrictedMeans, cohort: Cohort, results: Results) -> Answer:
    found = [r for r in records(results["restricted_mean"]) if r["endpoint"] == asked.endpoint]
    tests = {
        (r["group_a"], r["group_b"]): r
        for r in records(results.get("log_rank"))
        if r["endpoint"] == asked.endpoint and r["scope"] == "pairwise"
    }
    rows, said = [], []
    for r in found:
        shared = {"subject": asked.endpoint, "group_a": r["group_a"], "n": r["n"], "count": r["events"]}
        numbers = {
            k: r[k]
            for k in ("estimate", "ci_low", "ci_high", "statistic", "p_value", "p_adjusted", "status", "note")
        }
        if r["scope"] == "group":
            rows.append(
                row(
                    cohort.study.groups[r["group_a"]].label,
                    "mean_months",
                    part="means",
                    **shared,
                    **numbers,
                    estimate_kind="months",
                    method=r["method"],
                )
            )
            continue
        label = pair_label(cohort, r["group_a"], r["group_b"])
        rows.append(
            row(
                label,
                "difference_months",
                part="differences",
                group_b=r["group_b"],
                **shared,
                **numbers,
                estimate_kind="months",
                method=r["method"],
                beside=f"log_rank {asked.endpoint} pairwise",
            )
        )
        if test := tests.get((r["group_a"], r["group_b"])):
            rows.append(
                row(
                    label,
                    "log_rank",
                    part="differences",
                    group_b=r["group_b"],
                    **shared,
                    **{
                        k: test[k]
                        for k in ("statistic", "df", "p_value", "p_adjusted", "method", "status", "note")
                    },
                )
            )
        if known(r["p_value"]) and (r["ci_low"] > 0 or r["ci_high"] < 0):
            said.append(f"{label} {r['estimate']:.1f} ({r['ci_low']:.1f} to {r['ci_high']:.1f})")
    tau = found[0]["tau_months"] if found else float("nan")
    spread = [r["estimate"] for r in found if r["scope"] == "group" and known(r["estimate"])]
    text = (
        (
            f"Of the first {tau:g} months the groups spend on average {min(spread):.1f} to {max(spread):.1f}"
            " free of the event. "
            + (
                f"Differences in months whose interval leaves out 0: {listed(said)}."
                if said
                else "Every interval of a difference holds 0."
            )
        )
        if spread
        else "No group could be followed."
    )
    return Answer(
        rows,
        text,
        (
            "With one event in a group its mean lies near the horizon and its standard error is too small;"
            " the interval is a large-sample"
            " one. It needs no proportional hazards."
        ),
    )
